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

func (t *Target) Open() (dest.Dest, error) {
	if err := t.faults.Do(Open); err != nil {
		return nil, err
	}
	d, err := t.inner.Open()
	if err != nil {
		return nil, err
	}
	return Wrap(d, t.faults), nil
}

func (t *Target) Create(fill func(dest.Dest) error) error {
	if err := t.faults.Do(Create); err != nil {
		return err
	}
	return t.inner.Create(func(d dest.Dest) error { return fill(Wrap(d, t.faults)) })
}
