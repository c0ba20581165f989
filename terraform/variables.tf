# --- Where ---

variable "project" {
  description = "ID of the Google Cloud project to deploy to. It may be empty, but must have billing. It has nothing to do with the projects of the Gemini keys."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project: want a project ID, such as my-project-1: 6 to 30 lower case letters, digits and hyphens, a letter first and no hyphen last. It is neither the project's name nor its number."
  }
}

variable "region" {
  description = "Region of the function, its source and its jobs. Gemini must be available from there."
  type        = string
  default     = "us-central1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: want a region, such as us-central1. A zone, such as us-central1-a, or a multi-region is none."
  }
}

variable "name" {
  description = "Name of the function, and beginning of the names of everything else. Another name in the same project is another deployment beside the first."
  type        = string
  default     = "fluxgate"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name))
    error_message = "name: want 2 to 24 lower case letters, digits and hyphens, a letter first and no hyphen last: service accounts are named after it."
  }
}

variable "labels" {
  description = "Labels of everything that can have some."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for k, v in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", k)) && can(regex("^[a-z0-9_-]{0,63}$", v))])
    error_message = "labels: want names and values of at most 63 lower case letters, digits, '-' and '_', a name with a letter first."
  }
}

# --- Keys ---

variable "keys" {
  description = "The API keys, Gemini's unless key_providers says otherwise. They go to Secret Manager and nowhere else: neither to the state nor to a plan. The position of a key, from 1, is its public ID."
  type        = list(string)
  default     = []
  nullable    = false
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.keep_keys || length(var.keys) > 0 || length(var.oauth_projects) > 0
    error_message = "keys: want at least one Gemini API key (https://aistudio.google.com/apikey). Once they are in Secret Manager, keep_keys = true stands in for them."
  }
  validation {
    condition     = length(var.keys) == 0 || length(var.oauth_projects) == 0
    error_message = "keys: with oauth_projects there are none."
  }
  validation {
    condition     = alltrue([for k in var.keys : can(regex("^[!-~]{20,512}$", k))])
    error_message = "keys: want API keys, each 20 to 512 visible ASCII characters without blanks."
  }
  validation {
    condition     = length(distinct(var.keys)) == length(var.keys)
    error_message = "keys: one key is listed twice."
  }
}

variable "keep_keys" {
  description = "Leaves in Secret Manager what an earlier apply has put there, so that a plan, an apply or a destroy needs no keys at hand. Not for the first apply, and not together with a new keys_version."
  type        = bool
  default     = false
  nullable    = false
}

variable "keys_version" {
  description = "Raise it to have keys, key_projects and key_secrets written to Secret Manager again. Without that a changed key isn't noticed, because nothing remembers the last one."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.keys_version >= 1 && floor(var.keys_version) == var.keys_version
    error_message = "keys_version: want a whole number from 1."
  }
}

variable "key_projects" {
  description = "The Google project of each key, in the order of keys. Google limits projects, not keys: keys that share a project must say so. Empty: every key is a project of its own, which forgets its day when the key is rotated."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for p in var.key_projects : can(regex("^[A-Za-z0-9._:-]{1,128}$", p)) && !startswith(p, "key-")])
    error_message = "key_projects: want 1 to 128 letters, digits, '-', '_', '.' and ':', not beginning \"key-\"."
  }
  validation {
    condition     = var.keep_keys || length(var.key_projects) == 0 || length(var.key_projects) == length(var.keys)
    error_message = "key_projects: want one project for each of the keys, or none at all."
  }
}

variable "key_billing" {
  description = "The billing account of each key's project, in the order of keys: projects that share one wait together when it is refused for spending too fast. Any name will do; \"\" where it isn't known. Empty: it is found out."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for b in var.key_billing : can(regex("^[A-Za-z0-9._:-]{0,128}$", b))])
    error_message = "key_billing: want at most 128 letters, digits, '-', '_', '.' and ':'."
  }
  validation {
    condition     = var.keep_keys || length(var.key_billing) == 0 || length(var.key_billing) == length(var.keys)
    error_message = "key_billing: want one for each of the keys, or none at all."
  }
}

variable "key_providers" {
  description = "Whose each key is, in the order of keys: gemini (or \"\"), openai, anthropic, or the name of an entry of FLUXGATE_PROVIDERS in settings. Empty: all are Gemini's."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for p in var.key_providers : p == "" || can(regex("^[a-z][a-z0-9-]{1,31}$", p))])
    error_message = "key_providers: want gemini, openai, anthropic, a name of FLUXGATE_PROVIDERS, or \"\"."
  }
  # The function couldn't start.
  validation {
    condition     = length(setsubtract(var.key_providers, concat(["", "gemini", "openai", "anthropic"], try([for e in jsondecode(var.settings.FLUXGATE_PROVIDERS) : e.name], [])))) == 0
    error_message = "key_providers: there is no such provider: want gemini, openai or anthropic, or name it in FLUXGATE_PROVIDERS of settings."
  }
  validation {
    condition     = var.keep_keys || length(var.key_providers) == 0 || length(var.key_providers) == length(var.keys)
    error_message = "key_providers: want one for each of the keys, or none at all."
  }
}

variable "key_tiers" {
  description = "The usage tier of each key's project, in the order of keys, or of each of oauth_projects: free, 1, 2 or 3, as AI Studio shows it; \"\" where it isn't known. Models begin with the limits that Google last published for it, and prefer goes by it."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for t in var.key_tiers : contains(["", "free", "1", "2", "3"], t)])
    error_message = "key_tiers: want free, 1, 2 or 3, or \"\"."
  }
  validation {
    condition     = var.keep_keys || length(var.key_tiers) == 0 || length(var.key_tiers) == length(var.keys) + length(var.oauth_projects)
    error_message = "key_tiers: want one for each of the keys (or of oauth_projects), or none at all."
  }
}

variable "oauth_projects" {
  description = "Projects that are called without a key, by the identity of the function's runtime account. Each needs the Gemini API enabled; the account is granted the right to use its quota. Instead of keys, not beside them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for p in var.oauth_projects : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", p))])
    error_message = "oauth_projects: want project IDs, such as my-project-1."
  }
  validation {
    condition     = length(distinct(var.oauth_projects)) == length(var.oauth_projects)
    error_message = "oauth_projects: a project is listed twice."
  }
}

variable "key_secrets" {
  description = "Names, one for each key in the order of keys: every key gets a secret of its own, NAME-key-THIS. Empty: one secret holds all keys, which stays within Secret Manager's free tier."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for s in var.key_secrets : can(regex("^[A-Za-z0-9_-]{1,64}$", s))]) && length(distinct(var.key_secrets)) == length(var.key_secrets)
    error_message = "key_secrets: want different names of 1 to 64 letters, digits, '-' and '_'."
  }
  validation {
    condition     = length(var.key_secrets) <= 32
    error_message = "key_secrets: want at most 32: Fluxgate reads no more secrets than that. Put the keys into one secret."
  }
  validation {
    condition     = var.keep_keys || length(var.key_secrets) == 0 || length(var.key_secrets) == length(var.keys)
    error_message = "key_secrets: want one name for each of the keys, or none at all."
  }
}

# --- Callers ---

variable "access" {
  description = "How callers get in. \"iam\": only Google identities that may invoke the service (invokers). \"tokens\": anybody may reach it, and Fluxgate asks for one of its own tokens (callers), so that unmodified Gemini and OpenAI clients work."
  type        = string
  default     = "iam"
  nullable    = false

  validation {
    condition     = contains(["iam", "tokens"], var.access)
    error_message = "access: want \"iam\" or \"tokens\"."
  }
  validation {
    condition     = var.access != "tokens" || length(var.callers) > 0
    error_message = "access = \"tokens\" opens the service to the internet, so somebody must have a token: name who, for instance callers = [\"app\"]."
  }
}

variable "bind_everybody" {
  description = "false: with access = \"tokens\" no allUsers is bound, which an organisation's policy (domain restricted sharing) may forbid. Run the command of the output open instead, once."
  type        = bool
  default     = true
  nullable    = false
}

variable "invokers" {
  description = "Who may call with access = \"iam\": IAM members, such as user:a@example.com, serviceAccount:s@p.iam.gserviceaccount.com, group:g@example.com or domain:example.com."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for m in var.invokers : can(regex("^(user|serviceAccount|group|domain|principal|principalSet):[^ ]+$", m))])
    error_message = "invokers: want IAM members, such as user:a@example.com. allUsers and allAuthenticatedUsers are everybody: for that there is access = \"tokens\"."
  }
  validation {
    condition     = var.access == "iam" || length(var.invokers) == 0
    error_message = "invokers: with access = \"tokens\" everybody may reach the service, and a token decides. Leave them out."
  }
}

variable "callers" {
  description = "Names of the callers that have a token, each in a secret of its own, NAME-token-THIS. With access = \"iam\" callers need a token besides as soon as there is one here."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for c in var.callers : can(regex("^[a-z0-9][a-z0-9_-]{0,31}$", c)) && !contains(["anonymous", "iam", "scheduler"], c)])
    error_message = "callers: want 1 to 32 lower case letters, digits, '-' and '_', a letter or digit first. \"anonymous\", \"iam\" and \"scheduler\" are kept for callers without a token."
  }
  validation {
    condition     = length(distinct(var.callers)) == length(var.callers) && length(var.callers) <= 32
    error_message = "callers: want at most 32 different names."
  }
}

variable "admins" {
  description = "Names of the administrators that have a token, each in a secret of its own, NAME-admin-THIS. They may change the mode, limits and keys at run time; with none, nobody may but the jobs."
  type        = list(string)
  default     = ["admin"]
  nullable    = false

  validation {
    condition     = alltrue([for c in var.admins : can(regex("^[a-z0-9][a-z0-9_-]{0,31}$", c)) && !contains(["anonymous", "iam", "scheduler"], c)])
    error_message = "admins: want 1 to 32 lower case letters, digits, '-' and '_', a letter or digit first. \"anonymous\", \"iam\" and \"scheduler\" are kept for callers without a token."
  }
  validation {
    condition     = length(distinct(concat(var.admins, var.callers))) == length(var.admins) + length(var.callers) && length(var.admins) <= 32
    error_message = "admins: want at most 32 different names, none of which is among the callers."
  }
}

variable "second_tokens" {
  description = "Names of callers and administrators that have a second token beside the first, in a secret of its own, NAME-token2-THIS or NAME-admin2-THIS: while one is replaced, the other is in use. In tokens and token_versions it is THIS.2."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setsubtract(var.second_tokens, concat(var.callers, var.admins))) == 0
    error_message = "second_tokens: a name is neither in callers nor in admins."
  }
}

variable "tokens" {
  description = "Tokens by the name of a caller or administrator, each 16 to 1024 visible ASCII characters. Who isn't listed gets a random one. Like keys, they go to Secret Manager alone."
  type        = map(string)
  default     = {}
  nullable    = false
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = alltrue([for t in values(var.tokens) : can(regex("^[!-~]+$", t)) && length(t) >= 16 && length(t) <= 1024])
    error_message = "tokens: want 16 to 1024 visible ASCII characters each, for instance from: openssl rand -base64 32."
  }
  validation {
    condition     = length(distinct(values(var.tokens))) == length(var.tokens)
    error_message = "tokens: two names have the same token."
  }
  validation {
    condition     = length(setsubtract(keys(var.tokens), concat(var.callers, var.admins, [for c in var.second_tokens : "${c}.2"]))) == 0
    error_message = "tokens: a name is neither in callers nor in admins."
  }
}

variable "token_versions" {
  description = "Raise somebody's number, 1 where none is given, to have the token written again: the one in tokens, or a new random one."
  type        = map(number)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for v in values(var.token_versions) : v >= 1 && floor(v) == v])
    error_message = "token_versions: want whole numbers from 1."
  }
  validation {
    condition     = length(setsubtract(keys(var.token_versions), concat(var.callers, var.admins, [for c in var.second_tokens : "${c}.2"]))) == 0
    error_message = "token_versions: a name is neither in callers nor in admins."
  }
}

variable "caller_limits" {
  description = "Limits of callers by name (by email address with access = \"iam\"): rpm requests and tpm input tokens per minute, rpd requests per Pacific day. What is left out isn't limited. A caller with weight 3 gets three times as much as others (1) where several wait. Budgets: tokens_per_day, tokens_per_month (input, output and thoughts), dollars_per_day, dollars_per_month (list price), by Pacific days and months."
  type = map(object({
    rpm               = optional(number)
    tpm               = optional(number)
    rpd               = optional(number)
    weight            = optional(number)
    tokens_per_day    = optional(number)
    tokens_per_month  = optional(number)
    dollars_per_day   = optional(number)
    dollars_per_month = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for l in values(var.caller_limits) : l.weight == null ? true : l.weight >= 1 && l.weight <= 1000 && floor(l.weight) == l.weight])
    error_message = "caller_limits: want a weight of 1 to 1000."
  }
  validation {
    condition     = alltrue(flatten([for l in values(var.caller_limits) : [for n in [l.dollars_per_day, l.dollars_per_month] : n == null ? true : n == -1 || n >= 0 && n <= 1000000]]))
    error_message = "caller_limits: want dollars from 0 to 1000000, or -1 for no limit."
  }
  validation {
    condition     = alltrue(flatten([for l in values(var.caller_limits) : [for n in [l.rpm, l.tpm, l.rpd, l.tokens_per_day, l.tokens_per_month] : n == null ? true : n >= -1 && floor(n) == n]]))
    error_message = "caller_limits: want whole numbers from 0, or -1 for no limit."
  }
  # Else a slip would leave somebody without a limit or a budget, and nothing would say so.
  validation {
    condition     = alltrue([for name in keys(var.caller_limits) : contains(concat(var.callers, var.admins, ["scheduler"]), name) || var.access == "iam" && (name == "iam" || strcontains(name, "@"))])
    error_message = "caller_limits: a name is neither in callers nor in admins, nor, with access = \"iam\", an email address."
  }
}
