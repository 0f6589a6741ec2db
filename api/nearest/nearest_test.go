package nearest_test

import (
	"testing"

	"caret/api/nearest"
)

func TestOf(t *testing.T) {
	t.Parallel()
	names := []string{"master", "main", "dev", "x"}
	for name, want := range map[string]string{
		"mastre": "master", "Master": "master", "maste": "master", "masters": "master", "mian": "main", "dve": "dev",
		"dev": "dev", "de": "dev", "y": "", "": "", "production": "", "dddd": "",
	} {
		if got := nearest.Of(name, names); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
