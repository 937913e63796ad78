package provider

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// ErrNoProvider is wrapped by the errors of Registry.Select. It is never worth a
// retry; its Temporal type is "ValueError".
var ErrNoProvider = errors.New("provider: no provider fits the task")

// Names that selection itself knows.
const (
	nameVapi    = "vapi"
	nameLiveKit = "livekit"
	qualityHigh = "high"
)

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Registry holds providers by name. It is immutable and safe for concurrent use.
type Registry struct {
	byName map[string]Provider
	names  []string
}

// NewRegistry refuses no providers, a nil one, a bad name and a name twice. A
// name is 1 to 63 lower-case letters, digits, "-" and "_", and starts with a
// letter or digit.
func NewRegistry(ps ...Provider) (*Registry, error) {
	if len(ps) == 0 {
		return nil, errors.New("provider: NewRegistry needs at least one provider")
	}
	r := &Registry{byName: make(map[string]Provider, len(ps))}
	for i, p := range ps {
		if isNil(p) {
			return nil, fmt.Errorf("provider: NewRegistry: provider %d is nil", i+1)
		}
		name := p.Name()
		if !validName.MatchString(name) {
			return nil, fmt.Errorf("provider: NewRegistry: provider %d has the name %q: use 1 to 63 lower-case letters, digits, - and _, starting with a letter or digit", i+1, name)
		}
		if _, twice := r.byName[name]; twice {
			return nil, fmt.Errorf("provider: NewRegistry: two providers are named %q: give each account a Name of its own", name)
		}
		r.byName[name] = p
		r.names = append(r.names, name)
	}
	return r, nil
}

func isNil(p Provider) bool {
	if p == nil {
		return true
	}
	v := reflect.ValueOf(p)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Lookup returns the provider of that name.
func (r *Registry) Lookup(name string) (Provider, bool) {
	p, ok := r.byName[name]
	return p, ok
}

// Names returns the names in order of registration.
func (r *Registry) Names() []string { return slices.Clone(r.names) }

// Choice is what selection looks at, in this order: Provider; Quality "high" ->
// vapi; Default; Room -> livekit; Number -> vapi.
type Choice struct{ Provider, Quality, Default, Room, Number string }

// Select applies the rule of Choice. Its error wraps ErrNoProvider and names what
// was asked for and what is registered.
func (r *Registry) Select(c Choice) (Provider, error) {
	name, because := c.rule()
	if name == "" {
		return nil, fmt.Errorf("%w: it names no provider, room or number, and there is no default (registered: %s)",
			ErrNoProvider, strings.Join(r.names, ", "))
	}
	p, ok := r.byName[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q, asked for by %s, is not registered (registered: %s): the task may name one of them, or the host a default",
			ErrNoProvider, name, because, strings.Join(r.names, ", "))
	}
	return p, nil
}

func (c Choice) rule() (name, because string) {
	switch {
	case c.Provider != "":
		return c.Provider, "the task's provider"
	case c.Quality == qualityHigh:
		return nameVapi, `quality "high"`
	case c.Default != "":
		return c.Default, "the configured default"
	case c.Room != "":
		return nameLiveKit, "the task's room"
	case c.Number != "":
		return nameVapi, "the task's number"
	}
	return "", ""
}
