package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"caret/api/client"
	v1 "caret/api/v1"
)

// connect is a client of a server with an empty store. Elsewhere it is
// client.New("http://127.0.0.1:30600", accessKey, secretKey).
func connect() (c *client.Client, stop func()) {
	url, stop := serve()
	return client.New(url, "access key", "secret key"), stop
}

// put writes a file, in a commit of its own or staged in an open one.
func put(c *client.Client, repo, ref, path, text string) {
	_, err := c.Put(context.Background(), repo, ref, path, "text/csv", "write "+path, strings.NewReader(text), int64(len(text)))
	if err != nil {
		log.Fatal(err)
	}
}

// A pipeline writes its outputs as one commit and reads them back.
func Example() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		log.Fatal(err)
	}
	open, err := c.StartCommit(ctx, "sales", "master", "june")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"june/a.csv", "june/b.csv"} {
		if _, err := c.Put(ctx, "sales", open.ID, name, "text/csv", "", strings.NewReader(name), int64(len(name))); err != nil {
			log.Fatal(err)
		}
	}
	done, err := c.FinishCommit(ctx, "sales", open.ID, v1.FinishCommit{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(done.Message, done.Files)
	for f, err := range client.Each(func(after string) (v1.Page[v1.File], error) {
		return c.Files(ctx, "sales", "master", "june/", "", after, 0)
	}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(f.Path, f.Size)
	}
	body, _, err := c.Get(ctx, "sales", "HEAD", "june/b.csv")
	if err != nil {
		log.Fatal(err)
	}
	defer body.Close()
	if _, err := io.Copy(os.Stdout, body); err != nil {
		log.Fatal(err)
	}
	// Output:
	// june 2
	// june/a.csv 10
	// june/b.csv 10
	// june/b.csv
}

// A branch begins at any state and goes its own way; a tag stays.
func ExampleClient_CreateBranch() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales", Description: "monthly figures"}); err != nil {
		log.Fatal(err)
	}
	put(c, "sales", "master", "june.csv", "100")
	put(c, "sales", "master", "june.csv", "120")
	if _, err := c.CreateTag(ctx, "sales", "audited", "master", "seen by the auditors"); err != nil {
		log.Fatal(err)
	}
	dev, err := c.CreateBranch(ctx, "sales", "dev", "master^")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(dev.Name, "begins with", dev.N, "commit")
	put(c, "sales", "dev", "july.csv", "90")

	main := "dev"
	repo, err := c.UpdateRepo(ctx, "sales", v1.UpdateRepo{DefaultBranch: &main})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(repo.Name, "means", repo.DefaultBranch)
	branches, err := client.All(func(after string) (v1.Page[v1.Branch], error) {
		return c.Branches(ctx, "sales", after, 0)
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range branches {
		fmt.Println(b.Name, b.N, b.Default)
	}
	// Output:
	// dev begins with 1 commit
	// sales means dev
	// dev 2 true
	// master 2 false
}

// An open commit is a transaction. If the branch changed a path meanwhile
// that it changes too, finishing it fails, and it can be decided which side
// wins.
func ExampleClient_FinishCommit() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		log.Fatal(err)
	}
	open, err := c.StartCommit(ctx, "sales", "master", "recount")
	if err != nil {
		log.Fatal(err)
	}
	put(c, "sales", open.ID, "june.csv", "101")
	put(c, "sales", open.ID, "july.csv", "90")
	put(c, "sales", "master", "june.csv", "100") // somebody else

	done, err := c.FinishCommit(ctx, "sales", open.ID, v1.FinishCommit{})
	var refused *client.Error
	if errors.As(err, &refused) && refused.Code == "conflict" {
		fmt.Println("both changed", refused.Paths)
		done, err = c.FinishCommit(ctx, "sales", open.ID, v1.FinishCommit{Strategy: "theirs"})
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("commit", done.N, done.Message, done.Files)
	// Output:
	// both changed [june.csv]
	// commit 2 recount 2
}

// Any two states of a repo can be compared.
func ExampleClient_Diff() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		log.Fatal(err)
	}
	put(c, "sales", "master", "june.csv", "100")
	put(c, "sales", "master", "june.csv", "120")
	put(c, "sales", "master", "july.csv", "90")
	diff, err := client.All(func(after string) (v1.Page[v1.Difference], error) {
		return c.Diff(ctx, "sales", "HEAD^^", "HEAD", "", after, 0)
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range diff {
		fmt.Println(d.Change, d.Path)
	}
	// Output:
	// added july.csv
	// modified june.csv
}

// What a commit changed is taken back, or a folder made what it once was, in
// a new commit: history stays.
func ExampleClient_Revert() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		log.Fatal(err)
	}
	put(c, "sales", "master", "june/a.csv", "100")
	put(c, "sales", "master", "june/a.csv", "wrong")
	put(c, "sales", "master", "june/b.csv", "wrong too")
	reverted, err := c.Revert(ctx, "sales", v1.Revert{Branch: "master", Commit: "HEAD"})
	if err != nil {
		log.Fatal(err)
	}
	restored, err := c.RestoreFiles(ctx, "sales", v1.RestoreFiles{Branch: "master", From: ".1", Prefix: "june/"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("reverted", reverted.Files, "restored", restored.Files)
	body, _, err := c.Get(ctx, "sales", "master", "june/a.csv")
	if err != nil {
		log.Fatal(err)
	}
	defer body.Close()
	if _, err := io.Copy(os.Stdout, body); err != nil {
		log.Fatal(err)
	}
	// Output:
	// reverted 1 restored 1
	// 100
}

// A listing comes in pages. Next of one is the after of the following one;
// Each goes through them all.
func ExampleClient_Log() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		log.Fatal(err)
	}
	for _, month := range []string{"may", "june", "july"} {
		put(c, "sales", "master", month+".csv", "100")
	}
	page, err := c.Log(ctx, "sales", "master", client.LogFilter{}, "", 2)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Items), "of the first page, more:", page.Next != "")
	for commit, err := range client.Each(func(after string) (v1.Page[v1.Commit], error) {
		return c.Log(ctx, "sales", "master", client.LogFilter{}, after, 2)
	}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(commit.N, commit.Message, "by", commit.Author)
	}
	// Output:
	// 2 of the first page, more: true
	// 3 write july.csv by root
	// 2 write june.csv by root
	// 1 write may.csv by root
}

// A key may be limited to reading, to a repo and to one branch of it. Its
// secret is told once.
func ExampleClient_CreateKey() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		log.Fatal(err)
	}
	if _, err := c.CreateUser(ctx, v1.User{Name: "alice"}); err != nil {
		log.Fatal(err)
	}
	key, err := c.CreateKey(ctx, v1.Key{User: "alice", Repo: "sales", Branch: "master", ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a secret of", len(key.SecretKey), "letters")
	keys, err := client.All(func(after string) (v1.Page[v1.Key], error) { return c.Keys(ctx, "alice", after, 0) })
	if err != nil {
		log.Fatal(err)
	}
	for _, k := range keys {
		fmt.Printf("%s reads %s@%s, secret %q\n", k.User, k.Repo, k.Branch, k.SecretKey)
	}
	if err := c.DeleteKey(ctx, key.AccessKey); err != nil {
		log.Fatal(err)
	}
	// Output:
	// a secret of 40 letters
	// alice reads sales@master, secret ""
}

// A program decides by the code of an error.
func ExampleCode() {
	c, stop := connect()
	defer stop()
	_, err := c.Repo(context.Background(), "absent")
	if client.Code(err) == "no_such_repo" {
		fmt.Println(err)
	}
	// Output:
	// no such repo: absent
}

// An error says to people what is wrong and what to do about it.
func ExampleError() {
	c, stop := connect()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateRepo(ctx, v1.Repo{Name: "sales"}); err != nil {
		log.Fatal(err)
	}
	_, err := c.Branch(ctx, "sales", "mastre")
	var refused *client.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Status, refused.Code)
		fmt.Println(refused.Message)
		fmt.Println(refused.Hint)
	}
	// Output:
	// 404 no_such_branch
	// no such branch: mastre in repo sales
	// did you mean master? `caret branch list sales` shows what there is
}
