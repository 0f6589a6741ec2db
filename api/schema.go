package api

import (
	"cmp"
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"strings"
	"time"
)

// The types on the wire, for their comments: what is said of them there is
// what the document says.
//
//go:embed v1/*.go
var wireSource embed.FS

// object is a JSON object of the document.
type object = map[string]any

// schemas makes JSON schemas of types of v1, by name.
type schemas struct {
	comments map[string]string // by type, and by type.field
	made     object
}

func newSchemas() *schemas {
	return &schemas{comments: readComments(), made: object{}}
}

// readComments finds what the source of v1 says of types and their fields.
func readComments() map[string]string {
	found := map[string]string{}
	files, err := wireSource.ReadDir("v1")
	if err != nil {
		panic(err) // it is in the binary
	}
	for _, f := range files {
		text, err := wireSource.ReadFile("v1/" + f.Name())
		if err != nil {
			panic(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), text, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				for _, spec := range g.Specs {
					maps.Copy(found, commentsOf(g, spec.(*ast.TypeSpec)))
				}
			}
		}
	}
	return found
}

func commentsOf(g *ast.GenDecl, t *ast.TypeSpec) map[string]string {
	oneLine := func(groups ...*ast.CommentGroup) string {
		var all []string
		for _, c := range groups {
			all = append(all, strings.Fields(c.Text())...)
		}
		return strings.Join(all, " ")
	}
	found := map[string]string{t.Name.Name: oneLine(g.Doc, t.Doc)}
	if s, ok := t.Type.(*ast.StructType); ok {
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				found[t.Name.Name+"."+name.Name] = oneLine(f.Doc, f.Comment)
			}
		}
	}
	return found
}

// field is a field of a type on the wire.
type field struct {
	reflect.StructField
	name     string // in JSON
	of       string // the type that it is embedded with; "" is the struct itself
	required bool   // it is always there
}

// fieldsOf are the fields of a struct that encoding/json knows.
func fieldsOf(t reflect.Type) []field {
	var list []field
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "-" && !f.Anonymous {
			list = append(list, field{f, name, embeddedIn(t, f), !strings.Contains(options, "omit")})
		}
	}
	return list
}

// of is the schema of a type; a struct's is made once, and referred to.
func (s *schemas) of(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Uint64:
		return object{"type": "integer", "format": "int64", "minimum": 0}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return object{"type": "string", "format": "date-time"}
		}
		name := typeName(t)
		if s.made[name] == nil {
			s.made[name] = object{} // it may have itself in it
			s.made[name] = s.structOf(t)
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	panic(fmt.Sprintf("add a case for %s to schemas.of: the document cannot say what a %s is", t.Kind(), t))
}

// embeddedIn is the type that a field of t is from, "" if it is t's own.
func embeddedIn(t reflect.Type, f reflect.StructField) string {
	of := ""
	for _, i := range f.Index[:len(f.Index)-1] {
		t = t.Field(i).Type
		of = t.Name()
	}
	return of
}

func (s *schemas) structOf(t reflect.Type) object {
	name, _, _ := strings.Cut(t.Name(), "[")
	properties, required := object{}, []string{}
	for _, f := range fieldsOf(t) {
		p := s.of(f.Type)
		if about := s.comments[cmp.Or(f.of, name)+"."+f.Name]; about != "" && p["$ref"] == nil {
			p["description"] = about
		}
		properties[f.name] = p
		if f.required {
			required = append(required, f.name)
		}
	}
	schema := object{"type": "object", "properties": properties, "description": s.comments[name]}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// typeName names a type in the document: Page[caret/api/v1.Repo] is RepoPage.
func typeName(t reflect.Type) string {
	name, of, generic := strings.Cut(t.Name(), "[")
	if !generic {
		return name
	}
	of = strings.TrimSuffix(of, "]")
	return of[strings.LastIndexByte(of, '.')+1:] + name
}
