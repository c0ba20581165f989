# Open to unmodified clients, with a token for each caller, in a project that holds other things too.
#
#   terraform init
#   TF_VAR_keys='["AQ.…","AQ.…","AQ.…"]' terraform apply -var project=my-project

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.45, < 9"
    }
  }

  # The state holds no key and no token, but it is what a later apply goes on from: keep it where it isn't lost.
  # backend "gcs" {
  #   bucket = "my-terraform-states"
  #   prefix = "fluxgate"
  # }
}

variable "project" {
  description = "ID of the Google Cloud project."
  type        = string
}

variable "keys" {
  description = "The Gemini API keys. With keep_keys they may be left out."
  type        = list(string)
  default     = []
  sensitive   = true
  ephemeral   = true
}

variable "keep_keys" {
  description = "The keys are in Secret Manager already."
  type        = bool
  default     = false
}

variable "billing_account" {
  description = "The billing account whose budget is to be watched. Whoever applies must be allowed to make budgets on it."
  type        = string
  default     = null
}

module "fluxgate" {
  source = "../.."

  project = var.project
  region  = "europe-west1"
  name    = "gemini"
  labels  = { team = "search" }

  # Two keys of one project, and one of another. Raise keys_version to have other keys written.
  keys         = var.keys
  keep_keys    = var.keep_keys
  keys_version = 1
  key_projects = ["search", "search", "translate"]
  key_secrets  = ["search-1", "search-2", "translate"]

  # Whoever has a token may call. Raise a version to have a new one.
  access         = "tokens"
  callers        = ["web", "batch"]
  admins         = ["root"]
  token_versions = { web = 1, batch = 1, root = 1 }
  caller_limits  = { batch = { rpm = 60, rpd = 5000 } }

  # A paid tier, and what to fall back to.
  limits = {
    "gemini-2.5-pro" = { rpm = 150, tpm = 2000000, rpd = 1000 }
    flash            = { rpm = 1000, tpm = 1000000, rpd = 10000 }
  }
  chain    = ["gemini-2.5-pro", "gemini-2.5-flash"]
  settings = { FLUXGATE_SKEW = "1s" }

  # Beside the database of something else.
  database          = "gemini"
  database_location = "eur3"

  memory        = "1Gi"
  min_instances = 1
  max_instances = 5
  timeout       = 1800

  alert_emails = ["ops@example.com"]
  budget       = var.billing_account == null ? null : { billing_account = var.billing_account, amount = 20 }
}

output "url" {
  description = "The base URL of clients."
  value       = module.fluxgate.url
}

output "curl" {
  description = "A command that asks it something."
  value       = module.fluxgate.curl
}

output "tokens" {
  description = "Commands that print the tokens."
  value       = module.fluxgate.tokens
}

output "console" {
  description = "Where to look."
  value       = module.fluxgate.console
}
