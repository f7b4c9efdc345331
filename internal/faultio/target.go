package faultio

import "hydrant/dest"

// Target is a target whose destinations, and whose Open and Create, fail as the injector says.
type Target struct {
	inner  dest.Target
	faults *Injector
}

// WrapTarget returns t with faults. Both are required.
func WrapTarget(t dest.Target, faults *Injector) *Target { return &Target{t, faults} }

// Name is that of the target inside: messages are to read as they do without faults.
func (t *Target) Name() string { return t.inner.Name() }

func (t *Target) Open() (dest.Dest, error)   { return t.do(Open, t.inner.Open) }
func (t *Target) Create() (dest.Dest, error) { return t.do(Create, t.inner.Create) }

func (t *Target) do(op Op, f func() (dest.Dest, error)) (dest.Dest, error) {
	if err := t.faults.Do(op); err != nil {
		return nil, err
	}
	d, err := f()
	if err != nil {
		return nil, err
	}
	return Wrap(d, t.faults), nil
}
