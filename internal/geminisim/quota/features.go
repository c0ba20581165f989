package quota

import "regexp"

// A Feature is a part of the service that has a quota of its own, beside the model's.
type Feature int

// The features that can be limited here.
const (
	noFeature Feature = iota
	// Search is grounding by google_search. A project has one quota for all models here. Google's
	// pricing page has Flash and Flash-Lite share one (documented), and its rate limit page shows one
	// for Gemini 2.5 and one for Gemini 3 (captured).
	Search
	// Images is images that are made, of each model by itself: images per minute are counted for
	// models that can make them (documented).
	Images
)

// FeatureLimits are what a project may use of a feature: of Search, requests; of Images, images. A
// negative number means unlimited, zero none.
type FeatureLimits struct {
	PerMinute, PerDay int64
	// Unnamed has refusals name no quota. That is how Search was captured to be refused, on projects
	// with billing that had used up their day, too.
	Unnamed bool
}

// SetFeature changes what a project may use of a feature, at once and for what has already
// arrived. Without it nothing is limited.
func (l *Ledger) SetFeature(project string, f Feature, limits FeatureLimits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.features[featureID{project, f}] = limits
	for id, b := range l.featured {
		if id.project == project && id.Feature == f {
			b.quota = limits.quota()
		}
	}
}

// A featureID is a feature on a project.
type featureID struct {
	project string
	Feature
}

// A featuredID says which quota a request with a feature draws on; the model is empty where it is
// that of all.
type featuredID struct {
	featureID
	model string
}

func (l FeatureLimits) quota() quota {
	return quota{Limits: Limits{RPM: l.PerMinute, TPM: -1, RPD: l.PerDay}}
}

// searchTool matches the tool in a body of either API: as a member, or as a type.
var searchTool = regexp.MustCompile(`"(?:google_search|googleSearch|google_search_retrieval|googleSearchRetrieval)"\s*:|"type"\s*:\s*"google_search"`)

// A charge is what a request counts against one quota.
type charge struct {
	on               *bucket
	feature          Feature
	requests, tokens int64
}

// featuresOf returns what a request counts against quotas of features. The caller holds l.mu.
func (l *Ledger) featuresOf(d Demand) []charge {
	if len(l.features) == 0 {
		return nil // and no body is searched
	}
	var all []charge
	add := func(f Feature, model string, n int64) {
		limits, limited := l.features[featureID{d.Project, f}]
		if !limited {
			return
		}
		id := featuredID{featureID{d.Project, f}, model}
		b := l.featured[id]
		if b == nil {
			b = newBucket(l.cfg.Window, limits.quota(), false)
			l.featured[id] = b
		}
		all = append(all, charge{on: b, feature: f, requests: n})
	}
	if searchTool.Match(d.Body) {
		add(Search, "", 1)
	}
	if d.Images > 0 {
		add(Images, d.Model, d.Images)
	}
	return all
}

// unnamed reports whether a refusal by these quotas names none of them. The caller holds l.mu.
func (l *Ledger) unnamed(project string, violations []violation) bool {
	for _, v := range violations {
		if !l.features[featureID{project, v.feature}].Unnamed {
			return false
		}
	}
	return true
}
