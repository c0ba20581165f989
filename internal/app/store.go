package app

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"

	"fluxgate.dev/fluxgate/internal/config"
	"fluxgate.dev/fluxgate/internal/events"
	"fluxgate.dev/fluxgate/storage"
	"fluxgate.dev/fluxgate/storage/gcpfirestore"
)

// emulatorProject is the Google Cloud project of an emulator's documents when
// none is configured. Emulators don't care.
const emulatorProject = "fluxgate-local"

// openStore opens the configured store, and says which in the report. Auto is
// Firestore on Google Cloud or where an emulator is named; else, locally, an
// emulator of its own if it is installed; else memory.
func (a *App) openStore(ctx context.Context, cfg *config.Config, o Options, r *report) error {
	host := cfg.FirestoreEmulatorHost
	switch {
	case cfg.Store == config.StoreMemory:
		return a.openMemory(r, "as configured")
	case cfg.OnCloud() && host == "":
		r.line("store: Firestore, database %s, collection %s", cfg.Database, cfg.Collection)
		return a.openFirestore(ctx, cfg, o, firestore.DetectProjectID)
	case host == "" && cfg.Store == config.StoreFirestore && cfg.GoogleCloudProject != "":
		r.line("store: Firestore of project %s, database %s, collection %s", cfg.GoogleCloudProject, cfg.Database, cfg.Collection)
		return a.openFirestore(ctx, cfg, o, cfg.GoogleCloudProject)
	case host == "" && o.Local == nil:
		if cfg.Store == config.StoreFirestore {
			return errors.New("FLUXGATE_STORE=firestore needs GOOGLE_CLOUD_PROJECT, or FIRESTORE_EMULATOR_HOST for an emulator")
		}
		return a.openMemory(r, "nothing else is configured")
	case host == "":
		switch missing := o.Local.MissingForFirestore(); {
		case missing != nil && cfg.Store == config.StoreAuto:
			return a.openMemory(r, "the Firestore emulator is not installed")
		case missing != nil:
			return missing
		}
		started, err := o.Local.Firestore(ctx)
		if err != nil {
			return err
		}
		host = started
	}
	r.line("store: Firestore emulator on %s", host)
	project := cfg.GoogleCloudProject
	if project == "" {
		project = emulatorProject
	}
	return a.openFirestore(ctx, cfg, o, project)
}

func (a *App) openMemory(r *report, why string) error {
	r.line("store: memory (%s): one instance, forgotten when it stops", why)
	a.store, a.storeKind = storage.NewMemory(nil), string(config.StoreMemory)
	a.onClose(a.store.Close)
	return nil
}

func (a *App) openFirestore(ctx context.Context, cfg *config.Config, o Options, project string) error {
	outlives := context.WithoutCancel(ctx) // the request that starts the app
	store, err := gcpfirestore.Open(func(options ...option.ClientOption) (*firestore.Client, error) {
		return firestore.NewClientWithDatabase(outlives, project, cfg.Database, options...)
	}, cfg.Collection, storage.Options{Logger: o.Logger, Noticed: a.noticed})
	if err != nil {
		return fmt.Errorf("firestore client: %w", err)
	}
	a.store, a.storeKind = store, string(config.StoreFirestore)
	a.onClose(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		return a.store.Close(ctx)
	})
	return nil
}

// noticed keeps what the store found out about its database as an event. Before there
// are events, it is in the log alone.
func (a *App) noticed(ctx context.Context, what string) {
	if audit := a.audit.Load(); audit != nil {
		audit.Record(ctx, events.Fluxgate, what)
	}
}
