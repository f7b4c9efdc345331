package source

import "context"

type purposeKey struct{}

// InBackground returns a ctx for requests that nobody waits for. A source that has connections keeps
// these on connections of their own, and nobody hedges them.
func InBackground(ctx context.Context) context.Context {
	return context.WithValue(ctx, purposeKey{}, true)
}

// IsBackground tells whether ctx is one of InBackground's.
func IsBackground(ctx context.Context) bool {
	background, _ := ctx.Value(purposeKey{}).(bool)
	return background
}
