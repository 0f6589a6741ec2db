package commits

import (
	"fmt"

	"caret/objstore"
)

// FlawKind is how a row of history is wrong.
type FlawKind string

// Kinds of flaws.
const (
	BadRow        FlawKind = "bad row"        // one that cannot be read, or says what cannot be
	MissingRow    FlawKind = "missing row"    // one that another says is there
	MissingCommit FlawKind = "missing commit" // an id that leads to none
	BrokenChain   FlawKind = "broken chain"   // records that are missing, or not what the next one says
)

// Flaw is something that is wrong with the rows of history.
type Flaw struct {
	Kind FlawKind
	At   Pos    // the commit; zero N if it is not about one
	ID   ID     // of the version or the commit, zero if it is not known
	Path string // "" if it is not about one
	Text string
}

// Checks look at a few hundred rows in a transaction: a lineage is looked at in many,
// and goes on growing meanwhile. What was there in the beginning is checked whole.
const checkStep = 500

// flaws collects flaws of one step.
type flaws []Flaw

func (f *flaws) add(kind FlawKind, at Pos, id ID, path, format string, args ...any) {
	*f = append(*f, Flaw{Kind: kind, At: at, ID: id, Path: path, Text: fmt.Sprintf(format, args...)})
}

// ChainCheck verifies the commits of a lineage: that their records follow each other
// without a hole, each with the hash of the one before it, that their ids lead to them,
// and that the states of all paths that they say they changed are there, with the hash
// that their records say. It says of each commit what is wrong first, and no more.
//
//	k := NewChainCheck(lineage)
//	for done := false; !done; use(k.Flaws) {
//		db.View(ctx, func(tx objstore.Reader) (err error) { done, err = k.Step(tx); return err })
//	}
type ChainCheck struct {
	Flaws   []Flaw // found by the last Step
	Commits int    // looked at so far

	lineage LineageID
	found   flaws
	stage   chainStage
	fork    Pos
	head    Head   // zero N if it is not known
	next    uint64 // commit that is to come
	key     []byte // of the record that was read last
	records recordChain
	todo    []Commit      // whose ids and changes are to be looked at
	sum     *changesCheck // of the first of todo, if its changes are rows
}

// chainStage is what a ChainCheck is at.
type chainStage int

const (
	chainBegins chainStage = iota
	chainRecords
	chainEnds
)

// NewChainCheck begins the check of a lineage.
func NewChainCheck(lineage LineageID) *ChainCheck { return &ChainCheck{lineage: lineage} }

// Fork is where the lineage forked, on the lineage that it names, once a Step was made.
func (k *ChainCheck) Fork() Pos { return k.fork }

// Step goes on in a transaction, and says whether that was the last.
func (k *ChainCheck) Step(tx objstore.Reader) (done bool, err error) {
	k.found = nil
	switch {
	case k.stage == chainBegins:
		err = k.begin(tx)
	case len(k.todo) > 0:
		err = k.inspect(tx)
	case k.stage == chainRecords:
		err = k.read(tx)
	}
	k.Flaws = k.found
	return k.stage == chainEnds && len(k.todo) == 0, err
}

// begin reads the lineage, its head, and the commit that it forked from.
func (k *ChainCheck) begin(tx objstore.Reader) error {
	rows, err := tx.GetMany([][]byte{lineageKey(keyLineage, k.lineage), lineageKey(keyHead, k.lineage)})
	if err != nil {
		return err
	}
	k.stage = chainEnds
	none := Pos{Lineage: k.lineage}
	if rows[0] == nil {
		k.found.add(MissingRow, none, ID{}, "", "the row of lineage %d is missing", k.lineage)
		return nil
	}
	l, err := decodeLineage(k.lineage, rows[0])
	if err != nil {
		k.found.add(BadRow, none, ID{}, "", "%v", err)
		return nil
	}
	k.fork, k.next, k.stage = l.Fork, l.Fork.N+1, chainRecords
	switch h, err := decodeHead(rows[1]); {
	case rows[1] == nil:
		k.found.add(MissingRow, none, ID{}, "", "the row of the head of lineage %d is missing", k.lineage)
	case err != nil:
		k.found.add(BadRow, none, ID{}, "", "lineage %d: %v", k.lineage, err)
	case h.N < l.Fork.N:
		k.found.add(BadRow, none, h.ID, "", "the head of lineage %d is commit %d, before its fork at %d", k.lineage, h.N, l.Fork.N)
	default:
		k.head = h
		page, err := tx.Page(objstore.Range{Start: commitKey(Pos{k.lineage, h.N + 1}), End: objstore.PrefixEnd(lineageKey(keyCommit, k.lineage))}, 1)
		if err != nil {
			return err
		}
		if len(page) > 0 {
			k.found.add(BadRow, none, h.ID, "", "the head of lineage %d is commit %d, but there are commits behind it", k.lineage, h.N)
			k.head = Head{}
		}
	}
	return k.beginRecords(tx)
}

// beginRecords begins the chain with the commit that the lineage forked from.
func (k *ChainCheck) beginRecords(tx objstore.Reader) error {
	if k.fork.N == 0 {
		k.records.last = &chained{foreign: true} // its hash, zero, is what a first commit has
		return nil
	}
	rows, err := tx.GetMany([][]byte{commitKey(k.fork)})
	if err != nil {
		return err
	}
	if rows[0] == nil {
		k.found.add(BrokenChain, k.fork, ID{}, "", "commit %d, which lineage %d forked from, is missing", k.fork.N, k.lineage)
		return nil
	}
	c, err := decodeRecord(k.fork, rows[0])
	if err != nil {
		k.found.add(BadRow, k.fork, ID{}, "", "%v", err)
		return nil
	}
	k.records.last = &chained{Commit: c, foreign: true}
	return nil
}

// read reads the next records.
func (k *ChainCheck) read(tx objstore.Reader) error {
	in := objstore.Prefix(lineageKey(keyCommit, k.lineage))
	if k.key == nil {
		in.Start = commitKey(Pos{k.lineage, k.next})
	} else {
		in = in.Behind(k.key)
	}
	if k.head.N > 0 {
		in.End = commitKey(Pos{k.lineage, k.head.N + 1})
	}
	page, err := tx.Page(in, checkStep)
	if err != nil {
		return err
	}
	for _, row := range page {
		k.key = row.Key
		if len(row.Key) != len(commitKey(Pos{})) {
			k.found.add(BadRow, Pos{Lineage: k.lineage}, ID{}, "", "lineage %d has a row of a commit with the key %x", k.lineage, row.Key)
			continue
		}
		p := Pos{Lineage: k.lineage, N: keyN(row.Key)}
		k.gap(p.N)
		k.next = p.N + 1
		k.Commits++
		c, err := decodeRecord(p, row.Value)
		if err != nil {
			k.todo = append(k.todo, k.records.cut()...)
			k.found.add(BadRow, p, ID{}, "", "%v", err)
			continue
		}
		k.todo = append(k.todo, k.records.add(c, &k.found)...)
	}
	if len(page) == checkStep {
		return nil
	}
	k.stage = chainEnds
	if k.head.N > 0 {
		k.gap(k.head.N + 1)
		k.todo = append(k.todo, k.records.end(k.head, &k.found)...)
	} else {
		k.todo = append(k.todo, k.records.cut()...)
	}
	return nil
}

// gap says that records are missing if the next one is not n.
func (k *ChainCheck) gap(n uint64) {
	if n <= k.next {
		return
	}
	k.todo = append(k.todo, k.records.cut()...)
	at, id := Pos{k.lineage, k.next}, ID{}
	if n-k.next == 1 {
		if k.next == k.head.N {
			id = k.head.ID
		}
		k.found.add(BrokenChain, at, id, "", "commit %d is missing", k.next)
	} else {
		k.found.add(BrokenChain, at, id, "", "commits %d to %d are missing", k.next, n-1)
	}
	k.next = n
}

// recordChain finds the records that are not what they were. One that was altered has
// another hash than the next one says, and if its altered part was that, than its own
// says of the one before: so which of two that do not fit is wrong is known only with
// the one behind both.
type recordChain struct {
	last  *chained // nil behind a hole
	doubt *chained // the one before, if last does not fit to it
}

// chained is a record in the chain.
type chained struct {
	Commit
	foreign bool // it is another lineage's, and checked there
}

// fine is what is to be looked at further of records that are as they were.
func fine(records ...*chained) (list []Commit) {
	for _, x := range records {
		if x != nil && !x.foreign {
			list = append(list, x.Commit)
		}
	}
	return list
}

// add adds the next record, and returns those that are fine.
func (r *recordChain) add(c Commit, found *flaws) []Commit {
	list := r.join(c.ParentHash, found)
	r.last = &chained{Commit: c}
	return list
}

// end ends the chain with the head, which has the last one's hash.
func (r *recordChain) end(h Head, found *flaws) []Commit {
	list := r.join(h.Hash, found)
	if r.doubt != nil { // what follows, the head, is no record
		found.altered(r.doubt)
	}
	*r = recordChain{}
	return list
}

// join compares the last record with what the next one says of it.
func (r *recordChain) join(says objstore.Hash, found *flaws) (list []Commit) {
	last, doubt := r.last, r.doubt
	r.doubt = nil
	switch fits := last == nil || last.Hash == says; {
	case fits && doubt == nil:
		return fine(last)
	case fits:
		found.altered(doubt)
		return fine(last)
	case doubt != nil: // last fits neither to the one before nor to the next
		found.altered(last)
		return fine(doubt)
	default:
		r.doubt = last
		return nil
	}
}

// cut ends the chain before a hole: what is not known to be altered is fine.
func (r *recordChain) cut() []Commit {
	list := fine(r.doubt, r.last)
	*r = recordChain{}
	return list
}

// altered says that a record is not what it was.
func (f *flaws) altered(x *chained) {
	f.add(BrokenChain, x.Pos, x.ID, "", "the record of commit %d does not have the hash that what follows it says", x.Pos.N)
}
