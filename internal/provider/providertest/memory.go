package providertest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"keyhole/internal/secret"
)

// MemoryName is the store's name in the items of a Memory.
const MemoryName = "memory"

// Memory is a store in memory, in one collection called login.
type Memory struct {
	mu     sync.Mutex // guards all below
	items  []memoryItem
	last   int
	locked bool
}

type memoryItem struct {
	info  secret.Info
	value []byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{} }

// Add creates an item and returns it. Attributes are names and values in turn.
func (m *Memory) Add(label, value string, attributes ...string) secret.Info {
	info := secret.Info{Label: label, ContentType: "text/plain"}
	info.Attributes = make(map[string]string, len(attributes)/2)
	for i := 0; i+1 < len(attributes); i += 2 {
		info.Attributes[attributes[i]] = attributes[i+1]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addLocked(info, []byte(value))
}

// SetLocked locks or unlocks the store: a locked one lists and gives nothing
// away.
func (m *Memory) SetLocked(locked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.locked = locked
}

// Len is the number of items.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items)
}

func (m *Memory) addLocked(info secret.Info, value []byte) secret.Info {
	m.last++
	info = info.Clone()
	info.Store, info.Collection, info.ID = MemoryName, "login", strconv.Itoa(m.last)
	if info.Attributes == nil {
		info.Attributes = map[string]string{}
	}
	info.Created = time.Now()
	info.Modified = info.Created
	info.Locked = false
	m.items = append(m.items, memoryItem{info, value})
	return info.Clone()
}

// List returns the items that match q, oldest first.
func (m *Memory) List(ctx context.Context, q secret.Query) ([]secret.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []secret.Info
	for _, it := range m.items {
		if q.Matches(it.info.Ref) {
			info := it.info.Clone()
			info.Locked = m.locked
			out = append(out, info)
		}
	}
	return out, nil
}

// Stat returns one item.
func (m *Memory) Stat(ctx context.Context, id string) (secret.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.findLocked(ctx, id)
	if err != nil {
		return secret.Info{}, err
	}
	info := m.items[i].info.Clone()
	info.Locked = m.locked
	return info, nil
}

// Get returns one item and a copy of its bytes.
func (m *Memory) Get(ctx context.Context, id string) (secret.Info, secret.Value, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.findLocked(ctx, id)
	if err != nil {
		return secret.Info{}, secret.Value{}, err
	}
	if m.locked {
		return secret.Info{}, secret.Value{}, secret.ErrLocked
	}
	return m.items[i].info.Clone(), secret.NewValue(slices.Clone(m.items[i].value)), nil
}

// Status tells whether SetLocked locked the store.
func (m *Memory) Status(ctx context.Context) (secret.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return secret.Status{Locked: m.locked, Detail: fmt.Sprintf("memory, %d items", len(m.items))}, ctx.Err()
}

// Create adds an item.
func (m *Memory) Create(ctx context.Context, info secret.Info, v secret.Value) (secret.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.writableLocked(ctx); err != nil {
		return secret.Info{}, err
	}
	return m.addLocked(info, slices.Clone(v.Expose())), nil
}

// Update changes an item.
func (m *Memory) Update(ctx context.Context, id string, c secret.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.writableLocked(ctx); err != nil {
		return err
	}
	i, err := m.findLocked(ctx, id)
	if err != nil {
		return err
	}
	it := &m.items[i]
	it.info.Modified = time.Now()
	if c.Value != nil {
		it.value = slices.Clone(c.Value.Expose())
	}
	if c.ContentType != nil {
		it.info.ContentType = *c.ContentType
	}
	if c.Label != nil {
		it.info.Label = *c.Label
	}
	if c.Attributes != nil {
		it.info.Attributes = maps.Clone(c.Attributes)
	}
	return nil
}

// Delete removes an item.
func (m *Memory) Delete(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.writableLocked(ctx); err != nil {
		return err
	}
	i, err := m.findLocked(ctx, id)
	if err != nil {
		return err
	}
	m.items = slices.Delete(m.items, i, i+1)
	return nil
}

func (m *Memory) writableLocked(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.locked {
		return secret.ErrLocked
	}
	return nil
}

func (m *Memory) findLocked(ctx context.Context, id string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(m.items, func(it memoryItem) bool { return it.info.ID == id })
	if i < 0 {
		return 0, secret.ErrNotFound
	}
	return i, nil
}
