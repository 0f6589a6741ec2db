package access_test

import (
	"testing"

	"pgregory.net/rapid"

	"caret/pfs/access"
)

// TestWithin: an ACL is within another if and only if there is nobody who may more by it.
func TestWithin(t *testing.T) {
	t.Parallel()
	permissions := []access.Permission{access.PermRead, access.PermWrite, access.PermReadACP, access.PermWriteACP, access.PermFullControl}
	grants := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) access.Grant {
		g := access.Grant{Permission: rapid.SampledFrom(permissions).Draw(rt, "permission")}
		if to := rapid.SampledFrom([]string{"ann", "bob", "owner", "all", "signed"}).Draw(rt, "to"); to == "all" {
			g.Group = access.AllUsers
		} else if to == "signed" {
			g.Group = access.AuthenticatedUsers
		} else {
			g.User = to
		}
		return g
	}), 0, 5)
	within, not := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		old := access.ACL{Owner: "owner", Grants: grants.Draw(rt, "old")}
		now := access.ACL{Owner: "owner", Grants: grants.Draw(rt, "new")}
		more := false
		for _, who := range []string{"", "somebody", "ann", "bob", "owner"} {
			for _, p := range permissions[:4] {
				more = more || now.Allows(who, p) && !old.Allows(who, p)
			}
		}
		if now.Within(&old) == more {
			rt.Fatalf("%+v within %+v: %t", now, old, !more)
		}
		if more {
			not++
		} else {
			within++
		}
		now.Owner = "ann"
		if now.Within(&old) {
			rt.Fatal("with another owner")
		}
	})
	if within == 0 || not == 0 {
		t.Errorf("%d within, %d not: one of them was not tried", within, not)
	}
}
