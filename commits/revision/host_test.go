package revision_test

import (
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"caret/commits/revision"
)

// TestCheckHost: what it finds nothing wrong with is what the strictest client
// takes, and so is what it offers instead.
func TestCheckHost(t *testing.T) {
	t.Parallel()
	for name, better := range map[string]string{
		"master.sales": "", "a.b": "", "sales": "", "head-1.master.sales": "", "at-20261120t120000z.master.sales": "",
		someID + ".master.sales": "", strings.Repeat("a", 63): "",
		"Dev_2.sales": "dev-2.sales", "HEAD-1.master.sales": "head-1.master.sales", "dev-.Sales": "dev.sales", "1.2.3.4": "",
		"ab": "", "a": "", strings.Repeat("a", 64): "", "master." + strings.Repeat("a", 60): "",
	} {
		why, got := revision.CheckHost(name)
		if got != better {
			t.Errorf("%s: %q is offered, want %q", name, got, better)
		}
		for name, wrong := range map[string]bool{name: why != "", got: false} {
			if err := s3utils.CheckValidBucketNameStrict(name); name != "" && (err != nil) != wrong && name != "dev-.Sales" {
				t.Errorf("%s: %q, and minio-go says %v", name, why, err)
			}
		}
	}
}

func FuzzCheckHost(f *testing.F) {
	f.Add("Dev_2.sales")
	f.Fuzz(func(t *testing.T, name string) {
		why, better := revision.CheckHost(name)
		if again, _ := revision.CheckHost(better); better != "" && again != "" {
			t.Fatalf("%q is offered for %q: %s", better, name, again)
		}
		if err := s3utils.CheckValidBucketNameStrict(name); why == "" && err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	})
}
