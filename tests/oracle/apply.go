// The histories that apply-history tells, done again with structured-merge-diff, the library that a
// kube-apiserver applies with: after each step the object, the conflicts and everybody's fields must
// be the same. Each step begins where ours stands, so that one difference is told once.
//
// Two things may differ: the order of items in lists that have none, and what is left of a map or
// list that lost all it had (null there; empty, or gone, here).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"sigs.k8s.io/structured-merge-diff/fieldpath"
	"sigs.k8s.io/structured-merge-diff/merge"
	"sigs.k8s.io/structured-merge-diff/typed"
)

type object = map[string]interface{}

// ---- the schema, in the library's terms ----

const untyped = `
- name: atomic
  scalar: untyped
  list: {elementType: {namedType: atomic}, elementRelationship: atomic}
  map: {elementType: {namedType: atomic}, elementRelationship: atomic}
- name: deduced
  scalar: untyped
  list: {elementType: {namedType: atomic}, elementRelationship: atomic}
  map: {elementType: {namedType: deduced}, elementRelationship: separable}
`

func typeOf(s object) object {
	items := func(relationship string) object {
		list := object{"elementType": typeOf(s["items"].(object)), "elementRelationship": relationship}
		if keys, ok := s["x-kubernetes-list-map-keys"]; ok {
			list["keys"] = keys
		}
		return object{"list": list}
	}
	switch s["type"] {
	case "string":
		return object{"scalar": "string"}
	case "integer":
		return object{"scalar": "numeric"}
	case "array":
		if s["x-kubernetes-list-type"] == nil {
			return items("atomic")
		}
		return items("associative")
	}
	if s["x-kubernetes-preserve-unknown-fields"] == true {
		return object{"map": object{"elementType": object{"namedType": "deduced"}}}
	}
	if values, ok := s["additionalProperties"]; ok {
		return object{"map": object{"elementType": typeOf(values.(object))}}
	}
	var fields []interface{}
	for name, field := range s["properties"].(object) {
		fields = append(fields, object{"name": name, "type": typeOf(field.(object))})
	}
	m := object{"fields": fields}
	if s["x-kubernetes-map-type"] == "atomic" {
		m["elementRelationship"] = "atomic"
	}
	return object{"map": m}
}

func parserOf(line []byte) (typed.ParseableType, error) {
	var s object
	if err := json.Unmarshal(line, &s); err != nil {
		return typed.ParseableType{}, err
	}
	root := typeOf(s)
	root["name"] = "root"
	text, _ := json.Marshal(root) // JSON is YAML
	parser, err := typed.NewParser(typed.YAMLObject("types:\n- " + string(text) + untyped))
	if err != nil {
		return typed.ParseableType{}, err
	}
	return parser.Type("root"), nil
}

// ---- comparing ----

func isEmpty(v interface{}) bool {
	switch x := v.(type) {
	case nil:
		return true
	case object:
		return len(x) == 0
	case []interface{}:
		return len(x) == 0
	}
	return false
}

func text(v interface{}) string {
	bytes, _ := json.Marshal(v)
	return string(bytes)
}

func sorted(list []interface{}) []interface{} {
	out := append([]interface{}{}, list...)
	sort.Slice(out, func(i, j int) bool { return text(out[i]) < text(out[j]) })
	return out
}

func same(want, have interface{}) bool {
	if want == nil {
		return isEmpty(have)
	}
	switch w := want.(type) {
	case object:
		h, ok := have.(object)
		if !ok {
			return false
		}
		for name := range h {
			if _, ok := w[name]; !ok {
				return false
			}
		}
		for name := range w {
			if !same(w[name], h[name]) {
				return false
			}
		}
		return true
	case []interface{}:
		h, ok := have.([]interface{})
		if !ok || len(h) != len(w) {
			return false
		}
		ws, hs := sorted(w), sorted(h)
		for i := range ws {
			if !same(ws[i], hs[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(want, have)
}

// ---- doing it again ----

type step struct {
	Begin       *int64
	Op, Manager string
	Force, Done bool
	Object      interface{}
	Result      interface{}
	Conflicts   []string
	Owners      []struct {
		Manager, Operation string
		FieldsV1           json.RawMessage
	}
}

type versions struct{}

func (versions) Convert(o *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return o, nil
}
func (versions) IsMissingVersionError(error) bool { return false }

type judge struct {
	kind   typed.ParseableType
	live   *typed.TypedValue
	owners fieldpath.ManagedFields
}

func (j *judge) begin() {
	j.live, _ = j.kind.FromUnstructured(object{})
	j.owners = fieldpath.ManagedFields{}
}

// What is wrong with the step, or nothing.
func (j *judge) repeat(s *step) string {
	updater := merge.Updater{Converter: versions{}}
	asked, err := j.kind.FromUnstructured(s.Object)
	if err != nil {
		return err.Error()
	}
	owners := fieldpath.ManagedFields{}
	for name, set := range j.owners {
		owners[name] = set
	}
	who := s.Manager + " " + s.Op
	after := j.live
	if s.Op == "Update" {
		after, owners, err = updater.Update(j.live, asked, "v1", owners, who)
	} else {
		after, owners, err = updater.Apply(j.live, asked, "v1", owners, who, s.Force)
	}
	if conflicts, ok := err.(merge.Conflicts); ok {
		// The paths of this version of the library overwrite each other: only their number counts.
		if s.Done || len(conflicts) != len(s.Conflicts) {
			return fmt.Sprintf("conflicts: %v, not %v", conflicts, s.Conflicts)
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	if s.Op == "Apply" && !s.Done {
		return fmt.Sprintf("no conflicts, not %v", s.Conflicts)
	}
	if after == nil { // it changed nothing
		after = j.live
	}
	j.owners = owners
	if want := after.AsValue().Unstructured(); !same(normal(want), s.Result) {
		return "the object: " + text(want)
	}
	j.live, err = j.kind.FromUnstructured(s.Result)
	if err != nil {
		return err.Error()
	}
	return j.compareOwners(s)
}

func normal(v interface{}) interface{} { // numbers as JSON has them
	var out interface{}
	_ = json.Unmarshal([]byte(text(v)), &out)
	return out
}

func (j *judge) compareOwners(s *step) string {
	seen := map[string]bool{}
	for _, owner := range s.Owners {
		name := owner.Manager + " " + owner.Operation
		have := &fieldpath.Set{}
		if err := have.FromJSON(strings.NewReader(string(owner.FieldsV1))); err != nil {
			return err.Error()
		}
		want, ok := j.owners[name]
		if !ok {
			return name + " owns nothing"
		}
		if !want.Set().Equals(have) {
			return fmt.Sprintf("%s owns, too, %v, and not %v", name,
				want.Set().Difference(have), have.Difference(want.Set()))
		}
		seen[name] = true
	}
	for name := range j.owners {
		if !seen[name] {
			return name + " owns something"
		}
	}
	return ""
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	lines.Scan()
	kind, err := parserOf(lines.Bytes())
	if err != nil {
		fmt.Println("the schema:", err)
		os.Exit(1)
	}
	j := judge{kind: kind}
	var seed int64
	steps, bad, skipping := 0, 0, false
	var told []string
	for lines.Scan() {
		var s step
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if s.Begin != nil {
			j.begin()
			seed, skipping, told = *s.Begin, false, nil
			continue
		}
		told = append(told, lines.Text())
		if skipping {
			continue
		}
		steps++
		if why := j.repeat(&s); why != "" {
			fmt.Printf("CHOREO_SEED=%d, step %d: it should be %s\n  %s\n", seed, len(told)-1, why,
				strings.Join(told, "\n  "))
			skipping = true
			if bad++; bad == 3 {
				break
			}
		}
	}
	fmt.Printf("%d steps, %d histories differ\n", steps, bad)
	if bad > 0 || steps == 0 {
		os.Exit(1)
	}
}
