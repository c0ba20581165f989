package openaisim

import (
	"encoding/json"
	"net/http"
	"slices"

	"fluxgate.dev/fluxgate/internal/simserver"
)

// holder is a vector store or a container: something that has files in it (documented). What is searched in a
// store, or run in a container, isn't modelled.
type holder struct {
	ID        string   `json:"id"`
	Object    string   `json:"object"`
	CreatedAt int64    `json:"created_at"`
	Name      string   `json:"name"`
	Status    string   `json:"status"`
	files     []string // their IDs
}

// hold makes a holder of some files, which have to be of the caller's project.
func (c *call) hold(of *simserver.Owned[holder], prefix, object, status string) *apiError {
	var in struct {
		Name    string   `json:"name"`
		FileIDs []string `json:"file_ids"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	if e := c.mentioned(in.FileIDs); e != nil {
		return e
	}
	made := holder{c.s.id(prefix), object, c.Arrived.Unix(), in.Name, status, in.FileIDs}
	of.Add(c.Key.Project, made.ID, made)
	c.Write(http.StatusOK, made)
	return nil
}

func (c *call) getHolder(of *simserver.Owned[holder], what string) *apiError {
	found, ok := of.Get(c.Key.Project, c.R.PathValue("id"))
	if !ok {
		return errNotFound(what, c.R.PathValue("id"))
	}
	c.Write(http.StatusOK, found)
	return nil
}

func (c *call) listHolders(of *simserver.Owned[holder]) *apiError {
	out := []holder{}
	of.Each(c.Key.Project, func(h *holder) { out = append(out, *h) })
	c.Write(http.StatusOK, list[holder]{Object: "list", Data: out})
	return nil
}

func (c *call) deleteHolder(of *simserver.Owned[holder], what, object string) *apiError {
	id := c.R.PathValue("id")
	if !of.Delete(c.Key.Project, id) {
		return errNotFound(what, id)
	}
	c.Write(http.StatusOK, map[string]any{"id": id, "object": object + ".deleted", "deleted": true})
	return nil
}

// put adds a file of the caller's project to a holder.
func (c *call) put(of *simserver.Owned[holder], what, object, file string) *apiError {
	if e := c.mentioned([]string{file}); e != nil {
		return e
	}
	id := c.R.PathValue("id")
	if _, ok := of.Get(c.Key.Project, id); !ok {
		return errNotFound(what, id)
	}
	if of == &c.s.containers {
		file = c.s.id("cfile_") // it is copied there (documented)
	}
	of.Change(c.Key.Project, id, func(h *holder) { h.files = append(slices.Clone(h.files), file) })
	c.Write(http.StatusOK, map[string]any{"id": file, "object": object, "created_at": c.Arrived.Unix(), "status": "completed"})
	return nil
}

func (c *call) listHeld(of *simserver.Owned[holder], what, object string) *apiError {
	found, ok := of.Get(c.Key.Project, c.R.PathValue("id"))
	if !ok {
		return errNotFound(what, c.R.PathValue("id"))
	}
	out := []map[string]any{}
	for _, id := range found.files {
		out = append(out, map[string]any{"id": id, "object": object})
	}
	c.Write(http.StatusOK, list[map[string]any]{Object: "list", Data: out})
	return nil
}

func (c *call) createStore() *apiError {
	return c.hold(&c.s.stores, "vs_", "vector_store", "completed")
}
func (c *call) getStore() *apiError   { return c.getHolder(&c.s.stores, "Vector store") }
func (c *call) listStores() *apiError { return c.listHolders(&c.s.stores) }
func (c *call) deleteStore() *apiError {
	return c.deleteHolder(&c.s.stores, "Vector store", "vector_store")
}

func (c *call) addToStore() *apiError {
	var in struct {
		FileID string `json:"file_id"`
	}
	if e := c.decode(&in); e != nil {
		return e
	}
	return c.put(&c.s.stores, "Vector store", "vector_store.file", in.FileID)
}

func (c *call) listStoreFiles() *apiError {
	return c.listHeld(&c.s.stores, "Vector store", "vector_store.file")
}

// searchStore finds nothing.
func (c *call) searchStore() *apiError {
	if _, ok := c.s.stores.Get(c.Key.Project, c.R.PathValue("id")); !ok {
		return errNotFound("Vector store", c.R.PathValue("id"))
	}
	c.Write(http.StatusOK, map[string]any{"object": "vector_store.search_results.page", "data": []string{}, "has_more": false})
	return nil
}

func (c *call) createContainer() *apiError {
	return c.hold(&c.s.containers, "cntr_", "container", "running")
}
func (c *call) getContainer() *apiError   { return c.getHolder(&c.s.containers, "Container") }
func (c *call) listContainers() *apiError { return c.listHolders(&c.s.containers) }
func (c *call) deleteContainer() *apiError {
	return c.deleteHolder(&c.s.containers, "Container", "container")
}

// addToContainer takes a file by its ID, in a form as the SDKs send it.
func (c *call) addToContainer() *apiError {
	_, _, values, e := c.form()
	if e != nil {
		return e
	}
	return c.put(&c.s.containers, "Container", "container.file", values["file_id"])
}

func (c *call) listContainerFiles() *apiError {
	return c.listHeld(&c.s.containers, "Container", "container.file")
}

// holders returns what of the tools of a response names stores and containers, and whether a container is to be
// made.
func holders(tools json.RawMessage) (stores, containers []string, opens bool) {
	var all []struct {
		Stores    []string        `json:"vector_store_ids"`
		Container json.RawMessage `json:"container"`
	}
	_ = json.Unmarshal(tools, &all) // anything else names none
	for _, tool := range all {
		stores = append(stores, tool.Stores...)
		var id string
		if json.Unmarshal(tool.Container, &id) == nil {
			containers = append(containers, id)
		} else {
			opens = opens || tool.Container != nil
		}
	}
	return stores, containers, opens
}

// held fails if a response names a store or a container that isn't of the caller's project, and returns the container
// that it is made with (documented: one that it names, or a new one), "" for none.
func (c *call) held(tools json.RawMessage) (container string, _ *apiError) {
	stores, containers, opens := holders(tools)
	for _, id := range stores {
		if _, ok := c.s.stores.Get(c.Key.Project, id); !ok {
			return "", errNotFound("Vector store", id)
		}
	}
	for _, id := range containers {
		if _, ok := c.s.containers.Get(c.Key.Project, id); !ok {
			return "", errNotFound("Container", id)
		}
		container = id
	}
	if opens {
		made := holder{ID: c.s.id("cntr_"), Object: "container", CreatedAt: c.Arrived.Unix(), Status: "running"}
		c.s.containers.Add(c.Key.Project, made.ID, made)
		container = made.ID
	}
	return container, nil
}
