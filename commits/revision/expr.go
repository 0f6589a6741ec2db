package revision

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrExpr is wrapped by the errors of Parse.
var ErrExpr = errors.New("malformed version expression")

// Expr is a version expression: a base, and steps that lead on from it.
//
//	base   := "" | HEAD | branch | tag | commit | commit prefix
//	suffix := "^"+ | "~"+ | "^"N | "~"N | "."N | "@"time
//
// Not every client accepts those characters in the name of a bucket, so HEAD-N,
// COMMIT-N and at-20261120T120000Z are other spellings of HEAD^N, COMMIT^N and
// HEAD@2026-11-20T12:00:00Z. The zero value is the empty expression, which means
// what its context says.
type Expr struct {
	// Base is a name or a commit id, abbreviated perhaps; empty for HEAD.
	Base  string
	Steps []Step
}

// Step is one suffix of an expression.
type Step struct {
	Kind StepKind
	N    uint64    // for Parent and Nth
	Time time.Time // for At
}

// StepKind says where a step leads.
type StepKind uint8

// The kinds of steps.
const (
	Parent StepKind = iota + 1 // to the first parent, N times
	Nth                        // to the N-th commit of the branch, counted from 1
	At                         // to the state at Time
)

// MaxSteps is the greatest number in an expression, and the greatest sum of those of
// consecutive steps to a parent.
const MaxSteps = 1 << 62

const (
	// maxSuffixes is how many steps an expression may have, consecutive ones to a
	// parent counting as one: each costs a search of the history.
	maxSuffixes = 100
	maxShown    = 100 // bytes of an expression with too many steps that its error shows
)

const bucketTime = "20060102T150405Z"

var (
	exprBase = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]*`)
	exprTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})`)
	headN    = regexp.MustCompile(`^(?i:head)-(\d+)$`)
	commitN  = regexp.MustCompile(`^([0-9a-f]{32})-(\d+)$`)
	atTime   = regexp.MustCompile(`^(?i:at)-(\d{8}[tT]\d{6}[zZ])$`)
)

// Parse reads an expression; errors wrap ErrExpr.
func Parse(s string) (Expr, error) {
	base := exprBase.FindString(s)
	x, err := parseBase(base)
	if err != nil {
		return Expr{}, exprError(s, err.Error())
	}
	for rest := s[len(base):]; rest != ""; {
		step, n, why := parseStep(rest)
		if why != "" {
			return Expr{}, exprError(s, why)
		}
		rest = rest[n:]
		if !x.add(step) {
			return Expr{}, exprError(s, "number too large")
		}
		if len(x.Steps) > maxSuffixes {
			return Expr{}, exprError(s[:maxShown]+"...", "too many suffixes")
		}
	}
	return x, nil
}

func exprError(s, why string) error {
	return fmt.Errorf("%w %q: %s", ErrExpr, s, why)
}

// parseBase reads the part in front of the suffixes, in either spelling.
func parseBase(base string) (Expr, error) {
	if strings.EqualFold(base, "HEAD") {
		return Expr{}, nil
	}
	if m := headN.FindStringSubmatch(base); m != nil {
		return parentsOf("", m[1])
	}
	if m := commitN.FindStringSubmatch(base); m != nil && IsID(m[1]) {
		return parentsOf(m[1], m[2])
	}
	if m := atTime.FindStringSubmatch(base); m != nil {
		t, err := time.Parse(bucketTime, strings.ToUpper(m[1]))
		if err != nil {
			return Expr{}, errors.New("not a time; write at-20261120T120000Z")
		}
		return Expr{Steps: []Step{{Kind: At, Time: t}}}, nil
	}
	return Expr{Base: base}, nil
}

func parentsOf(base, digits string) (Expr, error) {
	n, why := parseNumber(digits)
	if why != "" {
		return Expr{}, errors.New(why)
	}
	x := Expr{Base: base}
	x.add(Step{Kind: Parent, N: n})
	return x, nil
}

// parseStep reads one suffix and returns how many bytes it took, or why it is none.
func parseStep(s string) (step Step, n int, why string) {
	switch c := s[0]; c {
	case '^', '~':
		digits := leadingDigits(s[1:])
		if digits == "" {
			return Step{Kind: Parent, N: 1}, 1, ""
		}
		count, why := parseNumber(digits)
		return Step{Kind: Parent, N: count}, 1 + len(digits), why
	case '.':
		digits := leadingDigits(s[1:])
		if digits == "" {
			return Step{}, 0, `want a number behind "."`
		}
		count, why := parseNumber(digits)
		return Step{Kind: Nth, N: count}, 1 + len(digits), why
	case '@':
		text := exprTime.FindString(s[1:])
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return Step{}, 0, `want a time like 2026-11-20T12:00:00Z behind "@"`
		}
		return Step{Kind: At, Time: t.UTC()}, 1 + len(text), ""
	}
	return Step{}, 0, fmt.Sprintf("unexpected %q; suffixes are ^ ^N ~ ~N .N @TIME", s)
}

func leadingDigits(s string) string {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i]
}

func parseNumber(digits string) (uint64, string) {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > MaxSteps {
		return 0, "number too large"
	}
	return n, ""
}

// add appends a step, or joins it to the one before if both lead to parents. It
// reports whether the sum of the two is allowed.
func (x *Expr) add(s Step) bool {
	if s.Kind == Parent {
		if s.N == 0 {
			return true
		}
		if last := len(x.Steps) - 1; last >= 0 && x.Steps[last].Kind == Parent {
			x.Steps[last].N += s.N
			return x.Steps[last].N <= MaxSteps
		}
	}
	x.Steps = append(x.Steps, s)
	return true
}

// IsZero reports whether x is empty: the head, without steps.
func (x Expr) IsZero() bool { return x.Base == "" && len(x.Steps) == 0 }

// String returns the expression in its shortest spelling, which Parse reads back.
func (x Expr) String() string {
	var b strings.Builder
	b.WriteString(x.Base)
	if x.Base == "" {
		b.WriteString("HEAD")
	}
	for _, s := range x.Steps {
		switch s.Kind {
		case Parent:
			b.WriteByte('^')
			if s.N != 1 {
				b.WriteString(strconv.FormatUint(s.N, 10))
			}
		case Nth:
			b.WriteByte('.')
			b.WriteString(strconv.FormatUint(s.N, 10))
		case At:
			b.WriteByte('@')
			b.WriteString(s.Time.Format(time.RFC3339Nano))
		}
	}
	return b.String()
}
