package main

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"caret/objstore/local"
)

// noJSON are commands whose output is not caret's to format.
var noJSON = map[string]string{
	"caret serve":      "it runs until it is stopped",
	"caret completion": "it prints a script",
	"caret __complete": "the script asks it",
	"caret cat":        "its output is the file",
}

// jsonLines are command lines of every other command, in an order in which they
// succeed. A name and a colon in front of one keep the id, or the access key, that
// it prints, for a $ and that name in later ones.
var jsonLines = []string{
	"version",
	"env --data $data",
	"repo create sales -d figures",
	"repo create Sales_2",
	"repo list", "repo list --exact", "repo inspect sales", "repo update sales -d other",
	"put sales:a.csv $file -m one", "put sales:d/ -r $folder", "put sales:d/ -r $folder --dry-run", "put sales:d/ -r $folder",
	"put sales:e/ -r $folder --dry-run",
	"get sales:a.csv $dest/a.csv", "get -r sales:d/ $dest/d --dry-run", "get -r sales:d/ $dest/d", "get -r sales:d/ $dest/d",
	"ls sales", "ls -l sales", "ls -R sales:d/", "ls sales:d/ --full", "stat sales:a.csv",
	"cp sales:a.csv sales:b.csv", "cp -r sales:d/ sales:e/", "mv sales:b.csv sales:c.csv", "mv -r sales:e/ sales:f/",
	"rm sales:c.csv --dry-run", "rm sales:c.csv", "rm -r sales:f/",
	"revert sales@HEAD --dry-run", "revert sales@HEAD", "restore sales@.1:a.csv", "restore sales@.1:d --dry-run", "restore sales@.1:d",
	"branch create sales@dev", "branch create sales@Dev_2", "branch list sales", "branch inspect sales@dev", "branch inspect sales@dev --history",
	"branch protect sales@dev", "branch unprotect sales@dev",
	"branch reset sales@dev --to HEAD^ --dry-run", "branch reset sales@dev --to HEAD^",
	"branch delete sales@Dev_2 --dry-run", "branch delete sales@Dev_2 --yes", "branch list sales --deleted", "branch restore sales@Dev_2",
	"tag create sales@v1", "tag create sales@v_1", "tag list sales", "tag inspect sales@v1", "tag delete sales@v1 --dry-run", "tag delete sales@v1 --yes",
	"tag list sales --deleted", "tag restore sales@v1",
	"put sales@dev:x $file", "diff sales@master sales@dev", "diff sales@master sales@dev --stat", "diff sales@master sales@dev --name-only",
	"diff sales@master sales@dev --content", "diff sales@dev sales@dev",
	"merge sales dev master --dry-run", "merge sales dev master", "merge sales dev master",
	"log sales", "log sales:a.csv", "log sales -n 1", "watch sales --after .0 -n 2",
	"open: commit start sales", "commit list sales --open", "commit list sales", "commit inspect sales@HEAD", "commit inspect sales@$open",
	"put sales@$open:staged $file", "commit finish sales@$open",
	"open: commit start sales", "commit abort sales@$open --dry-run", "commit abort sales@$open",
	"user create ann", "user list", "user inspect ann",
	"key: key create ann", "key list", "key inspect $key", "key delete $key --dry-run", "key delete $key --yes",
	"branch grant sales@dev ann", "branch grants sales@dev", "branch revoke sales@dev ann",
	"user delete ann --dry-run", "user delete ann --yes",
	"audit", "audit -n 1", "status",
	"fsck", "fsck sales --quick",
	"repo delete sales --force --dry-run", "repo delete sales --force --yes", "repo list --deleted", "repo restore sales",
	"rebuild --data $data",
}

// TestJSON runs every command with -o json: its output is JSON, and nothing but
// that. A new command, or one without the flag, fails it.
func TestJSON(t *testing.T) {
	// Not in parallel: the library writes global variables.
	s := newStore(t)
	data := t.TempDir()
	if err := writeRootKey(data, newRootKey(), storeID{}); err != nil {
		t.Fatal(err)
	}
	index, err := local.Open(data, local.Options{Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := index.Close(); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join("testdata", "script")
	known := []string{"$data", data, "$file", "json_test.go", "$folder", folder, "$dest", t.TempDir()}
	done := make(map[string]bool)
	for _, line := range jsonLines {
		keep, words, ok := strings.Cut(line, ": ")
		if !ok {
			keep, words = "", line
		}
		args := strings.Fields(strings.NewReplacer(known...).Replace(words))
		cmd, n := leaf(newApp(process{getenv: s.getenv}), args)
		done["caret "+strings.Join(args[:n], " ")] = true
		if find(cmd.Flags, "output") == nil {
			t.Errorf("%s has no flag --output", line)
			continue
		}
		code, stdout, stderr := s.run(t.Context(), strings.NewReader(""), append(args, "-o", "json")...)
		if code != exitOK {
			t.Errorf("%q: exit status %d: %s", args, code, stderr)
		}
		first, err := onlyJSON(stdout)
		if err != nil {
			t.Errorf("%q prints no JSON: %v\n%s", args, err, stdout)
		}
		if keep != "" {
			id, _ := first["id"].(string)
			key, _ := first["access_key"].(string)
			known = append([]string{"$" + keep, id + key}, known...)
		}
	}
	eachCommand("caret", newApp(process{getenv: s.getenv}).Commands, func(name string, c *cli.Command) {
		if _, none := noJSON[name]; !none && !done[name] {
			t.Errorf("%s is in no line of jsonLines", name)
		}
	})
}

// onlyJSON says that s is not one JSON value or more, and nothing else. It
// returns the first, if that is an object.
func onlyJSON(s string) (first map[string]any, err error) {
	values := 0
	for d := json.NewDecoder(strings.NewReader(s)); ; values++ {
		var v any
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF) && values > 0:
			return first, nil
		case err != nil:
			return nil, err
		}
		if o, ok := v.(map[string]any); ok && values == 0 {
			first = o
		}
	}
}

// eachCommand calls fn for commands that are not made of others.
func eachCommand(path string, cmds []*cli.Command, fn func(name string, c *cli.Command)) {
	for _, c := range cmds {
		name := path + " " + c.Name
		if len(c.Subcommands) > 0 {
			eachCommand(name, c.Subcommands, fn)
			continue
		}
		fn(name, c)
	}
}

// TestIfHeadEverywhere: a command that takes the message of a commit takes the
// head that it is for.
func TestIfHeadEverywhere(t *testing.T) {
	t.Parallel()
	some := 0
	eachCommand("caret", newApp(process{getenv: func(string) string { return "" }}).Commands, func(name string, c *cli.Command) {
		if f := find(c.Flags, "message"); f == nil || !slices.Contains(f.Names(), "m") || name == "caret tag create" { // which is no commit
			return
		}
		if some++; find(c.Flags, "if-head") == nil {
			t.Errorf("%s has no --if-head", name)
		}
	})
	if some < 9 {
		t.Errorf("%d commands write", some)
	}
}
