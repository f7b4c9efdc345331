package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hydrant/clone"
	"hydrant/internal/units"
)

func newTune(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "tune DEST [KEY=VALUE…]",
		Short: "Change how a clone is filled, while others use it",
		Long: `Change how the clone DEST is filled, at once and for every process that has it open. Without
KEY=VALUE, print what is in force.

  hydration    on or off: copy in the background
  bandwidth    cap of the background, bytes per second, or off
  connections  requests at once in the background, 1 to 256, or auto
  batch        bytes asked for at once in the background, 64KiB to 64MiB
  timeout      bound of one wait for the source, 1ms to 24h`,
		Example: `  hydrant tune app.db
  hydrant tune app.db hydration=off
  hydrant tune app.db bandwidth=20MB/s connections=4`,
		Args: atLeast("DEST"),
		RunE: func(_ *cobra.Command, args []string) error { return runTune(t, args[0], args[1:]) },
	}
}

func runTune(t *terminal, path string, settings []string) error {
	var k clone.Knobs
	for _, s := range settings {
		if err := setKnob(&k, s); err != nil {
			return err
		}
	}
	s, err := inspect(path)
	if err != nil {
		return err
	}
	if s.State == clone.StateDetached {
		return fmt.Errorf("%s: is an ordinary file, there is nothing left to tune", path)
	}
	if len(settings) > 0 {
		return clone.TunePath(path, k)
	}
	return printf(t, "hydration=%s\nbandwidth=%s\nconnections=%s\nbatch=%s\ntimeout=%s\n", formatSwitch(s.Hydration),
		formatRate(s.Bandwidth), formatConnections(s.Connections), exactSize(s.Batch), s.Timeout)
}

// setKnob reads one KEY=VALUE.
func setKnob(k *clone.Knobs, setting string) (err error) {
	key, value, ok := strings.Cut(setting, "=")
	if !ok {
		return usage("%q: want KEY=VALUE, like bandwidth=20MB", setting)
	}
	switch key {
	case "hydration":
		k.Hydration, err = parsed(units.ParseSwitch(value))
	case "bandwidth":
		k.Bandwidth, err = parsed(units.ParseRate(value))
	case "connections":
		k.Connections, err = parsed(parseConnections(value))
	case "batch":
		k.Batch, err = parsed(units.ParseSize(value))
	case "timeout":
		k.Timeout, err = parsed(units.ParseDuration(value))
	default:
		return usage("%q: no such key; there are hydration, bandwidth, connections, batch, timeout", key)
	}
	if err != nil {
		return usage("%s: %v", key, err)
	}
	return nil
}

func parsed[T any](v T, err error) (*T, error) { return &v, err }

func formatSwitch(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func formatRate(n int64) string {
	if n == 0 {
		return "off"
	}
	return exactSize(n)
}
