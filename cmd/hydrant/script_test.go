package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"hydrant/clone"
	"hydrant/internal/s3test"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hydrant": main})
}

// TestScript runs the files of testdata/script. Each has an S3 server of its own, empty, on this
// machine and as fast as that; objects in its bucket b are named s3://b/KEY$S3. See commands for
// what a script can do beside testscript's own.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupScript,
		Cmds:                commands,
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// condition knows [privileged]: permissions do not bind us.
func condition(name string) (bool, error) {
	if name != "privileged" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	return os.Geteuid() == 0, nil
}

type serverKey struct{}

func setupScript(e *testscript.Env) error {
	s := s3test.New(s3test.Options{})
	if err := s.Start(); err != nil {
		return err
	}
	e.Defer(func() { _ = s.Close() })
	e.Values[serverKey{}] = s
	e.Values[holdKey{}] = new(*clone.Clone)
	s.CreateBucket("b")
	e.Setenv("S3", "?endpoint="+s.URL()+"&region="+s.Region()+"&path-style=true")
	e.Setenv("ELSEWHERE", "?endpoint="+s.URL()+"&region=eu-north-9&path-style=true")
	for name, value := range s.Env() {
		e.Setenv(name, value)
	}
	return nil
}

func serverOf(ts *testscript.TestScript) *s3test.Server {
	return ts.Value(serverKey{}).(*s3test.Server)
}
