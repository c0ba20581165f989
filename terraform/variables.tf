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
  description = "The Gemini API keys. They go to Secret Manager and nowhere else: neither to the state nor to a plan. The position of a key, from 1, is its public ID."
  type        = list(string)
  default     = []
  nullable    = false
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.keep_keys || length(var.keys) > 0
    error_message = "keys: want at least one Gemini API key (https://aistudio.google.com/apikey). Once they are in Secret Manager, keep_keys = true stands in for them."
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
    condition     = alltrue([for c in var.callers : can(regex("^[a-z0-9][a-z0-9_-]{0,31}$", c)) && !contains(["anonymous", "iam"], c)])
    error_message = "callers: want 1 to 32 lower case letters, digits, '-' and '_', a letter or digit first. \"anonymous\" and \"iam\" are kept for callers without a token."
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
    condition     = alltrue([for c in var.admins : can(regex("^[a-z0-9][a-z0-9_-]{0,31}$", c)) && !contains(["anonymous", "iam"], c)])
    error_message = "admins: want 1 to 32 lower case letters, digits, '-' and '_', a letter or digit first. \"anonymous\" and \"iam\" are kept for callers without a token."
  }
  validation {
    condition     = length(distinct(concat(var.admins, var.callers))) == length(var.admins) + length(var.callers) && length(var.admins) <= 32
    error_message = "admins: want at most 32 different names, none of which is among the callers."
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
    condition     = length(setsubtract(keys(var.tokens), concat(var.callers, var.admins))) == 0
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
    condition     = length(setsubtract(keys(var.token_versions), concat(var.callers, var.admins))) == 0
    error_message = "token_versions: a name is neither in callers nor in admins."
  }
}

variable "caller_limits" {
  description = "Limits of callers by name (by email address with access = \"iam\"): rpm requests and tpm input tokens per minute, rpd requests per Pacific day. What is left out isn't limited."
  type = map(object({
    rpm = optional(number)
    tpm = optional(number)
    rpd = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for l in values(var.caller_limits) : [for n in [l.rpm, l.tpm, l.rpd] : n == null ? true : n >= -1 && floor(n) == n]]))
    error_message = "caller_limits: want whole numbers from 0, or -1 for no limit."
  }
}

# --- Quota ---

variable "limits" {
  description = "Limits by model or family (pro, flash, flash_lite): rpm requests per minute, tpm input tokens per minute, rpd requests per Pacific day; -1 is unlimited. What is left out keeps Fluxgate's default."
  type = map(object({
    rpm = optional(number)
    tpm = optional(number)
    rpd = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for l in values(var.limits) : [for n in [l.rpm, l.tpm, l.rpd] : n == null ? true : n >= -1 && floor(n) == n]]))
    error_message = "limits: want whole numbers from 0, or -1 for unlimited."
  }
}

variable "chain" {
  description = "Models in order of preference. Empty: Fluxgate's own chain."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.chain) <= 16 && alltrue([for m in var.chain : can(regex("^[A-Za-z0-9._-]{1,96}$", m))])
    error_message = "chain: want at most 16 names of models, such as gemini-2.5-pro."
  }
}

variable "mode" {
  description = "Which models of the chain are used: both, pro_only, flash_only or flash_lite_only."
  type        = string
  default     = "both"
  nullable    = false

  validation {
    condition     = contains(["both", "pro_only", "flash_only", "flash_lite_only"], var.mode)
    error_message = "mode: want both, pro_only, flash_only or flash_lite_only."
  }
}

variable "settings" {
  description = "Other settings of .env.example by the name of their variable, such as { FLUXGATE_SKEW = \"1s\" }, and OpenTelemetry's own (OTEL_…)."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([for name in keys(var.settings) : contains([
      "FLUXGATE_CORS", "FLUXGATE_COUNT", "FLUXGATE_SKEW", "FLUXGATE_HOLD", "FLUXGATE_MAX_BODY", "FLUXGATE_IDLE_TIMEOUT",
      "FLUXGATE_LOG_LEVEL", "FLUXGATE_POLICY", "GEMINI_LOG", "GOOGLE_GEMINI_BASE_URL",
    ], name) || startswith(name, "OTEL_") && !endswith(name, "_HEADERS")])
    error_message = "settings: want a setting of .env.example that has no variable of its own here. Keys and tokens don't belong into the environment: they would be in the state, and whoever may see the function could read them."
  }
}

# --- Storage ---

variable "database" {
  description = "The Firestore database: (default), or another name. Google's free tier covers one database of a project."
  type        = string
  default     = "(default)"
  nullable    = false

  validation {
    condition     = var.database == "(default)" || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database))
    error_message = "database: want (default), or 4 to 63 lower case letters, digits and hyphens, a letter first and no hyphen last."
  }
}

variable "create_database" {
  description = "false: the database is there already, in native mode."
  type        = bool
  default     = true
  nullable    = false
}

variable "database_location" {
  description = "Location of the database that is created. It can't be changed afterwards. null: the function's region."
  type        = string
  default     = null

  validation {
    condition     = var.database_location == null || can(regex("^([a-z]+-[a-z]+[0-9]+|nam[0-9]+|eur[0-9]+)$", var.database_location))
    error_message = "database_location: want a region, such as us-central1, or a multi-region, such as nam5 or eur3."
  }
}

variable "collection" {
  description = "The Firestore collection that holds all of Fluxgate's documents."
  type        = string
  default     = "fluxgate"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.collection)) && !can(regex("^__.*__$", var.collection))
    error_message = "collection: want 1 to 128 letters, digits, '-' and '_', and no name like __this__, which Firestore keeps for itself."
  }
}

variable "expire_history" {
  description = "Lets Firestore delete documents of the collection once the instant in their field expire_at has passed. Fluxgate keeps its own history to 30 days in one document, so this is for copies that are put beside it; each deletion counts as a delete."
  type        = bool
  default     = false
  nullable    = false
}

# --- The function ---

variable "memory" {
  description = "Memory of an instance. A body of the largest size takes about as much as it is large; 80 requests may run at once."
  type        = string
  default     = "512Mi"
  nullable    = false

  validation {
    condition     = contains(["256Mi", "512Mi", "1Gi", "2Gi", "4Gi"], var.memory)
    error_message = "memory: want 256Mi, 512Mi, 1Gi, 2Gi or 4Gi: what Cloud Run gives to one vCPU."
  }
}

variable "min_instances" {
  description = "Instances that are kept although nobody calls. 0 costs nothing; 1 spares the first caller the cold start."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.min_instances >= 0 && floor(var.min_instances) == var.min_instances
    error_message = "min_instances: want a whole number from 0."
  }
}

variable "max_instances" {
  description = "The most instances at a time. One serves 80 requests at once; more of them share the quota without using a slot twice, at the price of some more writes."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100 && floor(var.max_instances) == var.max_instances
    error_message = "max_instances: want a whole number from 1 to 100."
  }
  validation {
    condition     = var.max_instances >= var.min_instances
    error_message = "max_instances: want at least min_instances."
  }
}

variable "timeout" {
  description = "Seconds that a request may take. A call to Gemini gets 60 less, so that Fluxgate ends it and says so before Cloud Run cuts the connection."
  type        = number
  default     = 360
  nullable    = false

  validation {
    condition     = var.timeout >= 90 && var.timeout <= 3600 && floor(var.timeout) == var.timeout
    error_message = "timeout: want a whole number of seconds from 90 to 3600."
  }
}

variable "ingress" {
  description = "Where requests may come from: ALLOW_ALL, ALLOW_INTERNAL_AND_GCLB or ALLOW_INTERNAL_ONLY. There is an uptime check with ALLOW_ALL only."
  type        = string
  default     = "ALLOW_ALL"
  nullable    = false

  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_AND_GCLB", "ALLOW_INTERNAL_ONLY"], var.ingress)
    error_message = "ingress: want ALLOW_ALL, ALLOW_INTERNAL_AND_GCLB or ALLOW_INTERNAL_ONLY."
  }
}

# --- Jobs and monitoring ---

variable "jobs" {
  description = "Checks the keys every day, and asks for Google's published limits every week, by Cloud Scheduler."
  type        = bool
  default     = true
  nullable    = false
}

variable "monitoring" {
  description = "Log-based metrics, an uptime check, alert policies and a dashboard."
  type        = bool
  default     = true
  nullable    = false
}

variable "alert_emails" {
  description = "Who is told when an alert policy or the budget fires. Empty: it is seen in the console only."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for a in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", a))])
    error_message = "alert_emails: want email addresses."
  }
  validation {
    condition     = var.monitoring || length(var.alert_emails) == 0
    error_message = "alert_emails: nothing would be sent with monitoring = false."
  }
}

variable "budget" {
  description = "A monthly budget of the project on its billing account: its ID, an amount in whole units of the account's currency. It warns at 50, 90 and 100 %, and stops nothing. null: none."
  type = object({
    billing_account = string
    amount          = number
  })
  default = null

  validation {
    condition     = var.budget == null ? true : can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "budget: want the ID of a billing account, such as 012345-6789AB-CDEF01 (gcloud billing accounts list)."
  }
  validation {
    condition     = var.budget == null ? true : var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount
    error_message = "budget: want an amount in whole units of the currency, from 1."
  }
  validation {
    condition     = var.budget == null || var.monitoring
    error_message = "budget: it is part of monitoring, which is off."
  }
}
