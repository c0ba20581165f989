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

variable "project_limits" {
  description = "Limits as in limits, by the projects that key_projects names: they hold for that project alone, and go before those of all."
  type = map(map(object({
    rpm = optional(number)
    tpm = optional(number)
    rpd = optional(number)
  })))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue(flatten([for p in values(var.project_limits) : [for l in values(p) : [for n in [l.rpm, l.tpm, l.rpd] : n == null ? true : n >= -1 && floor(n) == n]]]))
    error_message = "project_limits: want whole numbers from 0, or -1 for unlimited."
  }
}

variable "prefer" {
  description = "Which projects are used first where several have room for the same model: free or paid, by key_tiers. \"\": any."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = contains(["", "free", "paid"], var.prefer)
    error_message = "prefer: want free or paid, or \"\"."
  }
}

variable "chain" {
  description = "Models in order of preference; another provider's has its name before it, as groq/llama-4. Empty: Fluxgate's own chain."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.chain) <= 16 && alltrue([for m in var.chain : !startswith(m, "models/") && can(regex("^([a-z][a-z0-9-]{1,31}/)?[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,95}$", m))])
    error_message = "chain: want at most 16 names of models, such as gemini-2.5-pro or groq/llama-4."
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
      "FLUXGATE_CORS", "FLUXGATE_RESOURCES", "FLUXGATE_COUNT", "FLUXGATE_SKEW", "FLUXGATE_HOLD", "FLUXGATE_MAX_BODY", "FLUXGATE_BODY_BUDGET", "FLUXGATE_SECRETS_TTL", "FLUXGATE_IDLE_TIMEOUT", "FLUXGATE_LIVE_IDLE_TIMEOUT", "FLUXGATE_RESEND", "FLUXGATE_PASS_UNKNOWN", "FLUXGATE_SHADOW", "FLUXGATE_MAX_WAIT",
      "FLUXGATE_LOG_LEVEL", "FLUXGATE_POLICY", "FLUXGATE_PRICES", "FLUXGATE_PROVIDERS", "GEMINI_LOG", "GOOGLE_GEMINI_BASE_URL", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL",
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

variable "profile" {
  description = "What an instance has: free (0.08 vCPU, 192 MiB, a request at a time, as many instances as needed, no alerts: within Google's free tier as far as that goes, for requests that come all day long), batch (1 vCPU, 512 MiB, one instance with 80 requests at once, no alerts: likewise, for a day's requests in one go), default (1 vCPU, 512 MiB, 80 requests at once) or busy (2 vCPU, 2 GiB, 200 at once, one always there). The following ones change a part of it."
  type        = string
  default     = "default"
  nullable    = false

  validation {
    condition     = contains(["free", "batch", "default", "busy"], var.profile)
    error_message = "profile: want free, batch, default or busy."
  }
}

variable "cpu" {
  description = "vCPUs of an instance: 0.08 to 1, or 2, 4, 6 or 8. Less than 1 takes a concurrency of 1. null: the profile's."
  type        = number
  default     = null

  # https://docs.cloud.google.com/run/docs/configuring/services/cpu
  validation {
    condition     = var.cpu == null ? true : contains([1, 2, 4, 6, 8], var.cpu) || var.cpu >= 0.08 && var.cpu < 1 && floor(var.cpu * 1000) == var.cpu * 1000
    error_message = "cpu: want 0.08 to 1 in steps of 0.001, or 2, 4, 6 or 8."
  }
}

variable "memory" {
  description = "Memory of an instance, such as 512Mi or 2Gi, from 128Mi. 64 MiB are its own and a tenth is the platform's; of the rest two thirds are for request bodies in flight, and beyond that requests get 503 with Retry-After: 1 body of 30 MiB with 128Mi, 2 with 192Mi, 8 with 512Mi, 18 with 1Gi, 39 with 2Gi, 80 with 4Gi. null: the profile's."
  type        = string
  default     = null

  validation {
    condition     = var.memory == null ? true : can(regex("^[1-9][0-9]{0,4}(Mi|Gi)$", var.memory))
    error_message = "memory: want a whole number of Mi or Gi, such as 512Mi."
  }
  # https://docs.cloud.google.com/run/docs/configuring/services/cpu says which memory goes with which CPU.
  validation {
    condition = try([for size in [coalesce(var.memory, local.size.memory)] :
      tonumber(trimsuffix(trimsuffix(size, "Mi"), "Gi")) * (endswith(size, "Gi") ? 1024 : 1) >= 128
      && tonumber(trimsuffix(trimsuffix(size, "Mi"), "Gi")) * (endswith(size, "Gi") ? 1024 : 1) <= local.most_mebibytes
    ][0], false)
    error_message = "memory: want at least 128Mi, into which a body of 32 MiB fits, and at most what Cloud Run gives to so much CPU: 512Mi to less than half a vCPU, 1Gi to less than 1, 4Gi to 1, 8Gi to 2, 16Gi to 4, 24Gi to 6, 32Gi to 8."
  }
}

variable "concurrency" {
  description = "The most requests that an instance takes at a time, 1 to 1000; with less than one vCPU it is 1. null: the profile's."
  type        = number
  default     = null

  validation {
    condition     = var.concurrency == null ? true : var.concurrency >= 1 && var.concurrency <= 1000 && floor(var.concurrency) == var.concurrency
    error_message = "concurrency: want a whole number from 1 to 1000."
  }
  validation {
    condition     = var.concurrency == null ? true : var.concurrency == 1 || local.cpu >= 1
    error_message = "concurrency: an instance with less than one vCPU takes one request at a time: 1, or a cpu of 1 or more."
  }
}

variable "min_instances" {
  description = "Instances that are kept although nobody calls. 0 costs nothing; 1 spares the first caller the cold start. null: the profile's."
  type        = number
  default     = null

  validation {
    condition     = var.min_instances == null ? true : var.min_instances >= 0 && floor(var.min_instances) == var.min_instances
    error_message = "min_instances: want a whole number from 0."
  }
}

variable "max_instances" {
  description = "The most instances at a time. More of them share the quota without using a slot twice, at the price of some more writes. null: the profile's."
  type        = number
  default     = null

  validation {
    condition     = var.max_instances == null ? true : var.max_instances >= 1 && var.max_instances <= 100 && floor(var.max_instances) == var.max_instances
    error_message = "max_instances: want a whole number from 1 to 100."
  }
  validation {
    condition     = var.max_instances == null ? true : var.max_instances >= local.min_instances
    error_message = "max_instances: want at least min_instances."
  }
}

variable "vpc" {
  description = "The network and subnetwork (names or full ones) through which all that the function sends goes, and network tags. null: none. It gives other endpoints a fixed address to know it by; Google's APIs see it through Private Google Access, not by the address of a Cloud NAT."
  type = object({
    network    = string
    subnetwork = string
    tags       = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : alltrue([for n in [var.vpc.network, var.vpc.subnetwork] : can(regex("^(projects/[^/ ]+/(global|regions/[^/ ]+)/(networks|subnetworks)/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", n))])
    error_message = "vpc: want the name of a network and of a subnetwork in the function's region, or projects/P/global/networks/N and projects/P/regions/R/subnetworks/S."
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

variable "alerts" {
  description = "Alert policies and the uptime check. null: the profile's; Google prices each condition of a policy (see cost.md)."
  type        = bool
  default     = null
}

variable "alert_latency" {
  description = "Seconds that the 95th percentile of the answers of 10 minutes may take before an alert. Nearly all of it is Gemini's."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.alert_latency > 0 && var.alert_latency <= 3600
    error_message = "alert_latency: want more than 0 and at most 3600 seconds."
  }
}

variable "watch_secrets" {
  description = "Has reads of secrets logged (the project's audit log of Secret Manager, DATA_READ), and alerts when somebody else than the function reads one of this deployment's. It replaces the project's own audit configuration of Secret Manager, so it is off unless asked for."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.watch_secrets || local.alerts_on
    error_message = "watch_secrets: it is an alert, and alerts are off."
  }
}

variable "notification_channels" {
  description = "Notification channels that exist (Slack, PagerDuty, a webhook), by their full names: projects/P/notificationChannels/N. They are told what alert_emails are."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for c in var.notification_channels : can(regex("^projects/[^/ ]+/notificationChannels/[0-9]+$", c))])
    error_message = "notification_channels: want full names, such as projects/my-project-1/notificationChannels/123 (gcloud beta monitoring channels list)."
  }
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
