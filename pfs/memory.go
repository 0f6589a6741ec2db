package pfs

import (
	"context"
	"io"

	"caret/objstore/budget"
)

// Share is memory that a request holds of what there is for all of them together. It
// is released at the end.
type Share = budget.Share

// Memory is an empty share for what a request is about to hold besides content, such as
// its body or a list for its answer. Its Reserve comes before the request asks for
// content: so nobody waits for whom he keeps waiting.
func (s *System) Memory() *Share { return s.budget.None(budget.Work) }

// ReadAll reads all of what a request sends, such as a document, into memory, which the
// share is to be released for; see budget.Budget.ReadAll. It comes before Memory.
func (s *System) ReadAll(ctx context.Context, r io.Reader) ([]byte, *Share, error) {
	return s.budget.ReadAll(ctx, budget.Document, r)
}

// tally counts what an operation collects. As that may wait it is done outside of
// transactions.
func (s *System) tally() *budget.Tally { return s.budget.Tally(budget.Collecting) }

// perPath is about how many bytes a path takes besides its own while it is collected, in
// a map and then in a list.
const perPath = 80

// countPaths counts a list of paths, which may be as long as a commit has files.
func countPaths(ctx context.Context, t *budget.Tally, list []string) error {
	n := 0
	for _, p := range list {
		n += len(p) + perPath
	}
	return t.Count(ctx, n)
}
