package shim

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzParams: what a URI says is either in bounds or noted as wrong, the URI goes before the
// environment, and a message names what it is about.
func FuzzParams(f *testing.F) {
	for _, s := range []string{
		"source=s3%3A//b/k&hydrate=off", "bandwidth=1e30&connections=-1", "timeout=NaN", "timeout=-1s&region-size=99999999999999999999",
		"dest=memory&trust=boot&immutable=1", "sync=commit&follow=on&at=x", "_hydrant=18446744073709551616", "&&==&%zz", "Bandwidth=1",
	} {
		f.Add(s, "3MB")
	}
	f.Fuzz(func(t *testing.T, query, env string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		pairs := func(yield func(string, string) bool) {
			for key, list := range values {
				for _, v := range list {
					if !yield(key, v) {
						return
					}
				}
			}
		}
		p := parseURI(pairs)
		if b := p.knobs.Bandwidth; b != nil && *b < 0 {
			t.Errorf("bandwidth %d", *b)
		}
		if p.knobs.Timeout != nil && *p.knobs.Timeout < 0 || p.regionSize < 0 || p.timeout() <= 0 {
			t.Errorf("%+v", p)
		}
		if p.wrong == nil {
			for key := range values {
				if !strings.HasPrefix(key, "_") && key != strings.ToLower(key) {
					t.Errorf("parameter %q is taken without a word", key)
				}
			}
		}
		_, said := values["bandwidth"]
		before := p.knobs.Bandwidth
		p.parseEnv(pairs, func(string) string { return env })
		if said && p.knobs.Bandwidth != before {
			t.Error("the environment goes before the URI")
		}
	})
}
