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
      "FLUXGATE_CORS", "FLUXGATE_RESOURCES", "FLUXGATE_COUNT", "FLUXGATE_SKEW", "FLUXGATE_HOLD", "FLUXGATE_MAX_BODY", "FLUXGATE_BODY_BUDGET", "FLUXGATE_IDLE_TIMEOUT", "FLUXGATE_RESEND", "FLUXGATE_SHADOW",
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
  description = "Memory of an instance. 64 MiB are its own and a tenth is the platform's; of the rest two thirds are for request bodies in flight, and beyond that requests get 503 with Retry-After: 3 bodies of 30 MiB with 256Mi, 8 with 512Mi, 18 with 1Gi, 39 with 2Gi, 80 with 4Gi. 80 small requests run at once with any."
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
