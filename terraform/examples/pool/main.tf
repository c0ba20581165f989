# Keys made by Terraform, in projects that you have already, one a project, and the deployment that uses them.
#
#   terraform init
#   terraform apply -var project=my-project -var 'key_projects=["search-prod","translate-prod"]'
#
# Pool projects that are separate for reasons of their own: teams, products, environments. No project is made here, and
# none should be made for its quota; see the README of the repository.
#
# The keys are in the state: key_string is computed by Google and can't be ephemeral. Keep the state where only those may
# read it who may read the keys (a bucket with uniform access, encrypted with a key of yours), or make the keys by hand.

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.45, < 9"
    }
  }
}

variable "project" {
  description = "ID of the Google Cloud project that Fluxgate runs in."
  type        = string
}

variable "key_projects" {
  description = "IDs of the projects that get a key each. They exist, and you may make keys in them."
  type        = list(string)
}

variable "keys_version" {
  description = "Raise it to have new keys. The old ones are deleted once the new are in Secret Manager."
  type        = number
  default     = 1
}

variable "labels" {
  description = "Labels of the deployment."
  type        = map(string)
  default     = {}
}

# Calls of the API Keys and Service Usage APIs count against the deployment's project, whoever makes them: a user's own
# credentials have none. https://registry.terraform.io/providers/hashicorp/google/latest/docs/guides/provider_reference
provider "google" {
  project               = var.project
  billing_project       = var.project
  user_project_override = true
}

# The API by which keys are made, where their quota counts; the Gemini API where they are used.
resource "google_project_service" "apikeys" {
  project = var.project
  service = "apikeys.googleapis.com"

  disable_on_destroy = false
}

resource "google_project_service" "gemini" {
  for_each = { for pair in setproduct(var.key_projects, ["apikeys.googleapis.com", "generativelanguage.googleapis.com"]) : join("/", pair) => pair }

  project = each.value[0]
  service = each.value[1]

  disable_on_destroy = false
}

# Gemini takes keys that are bound to a service account, and from September 2026 no others:
# https://ai.google.dev/gemini-api/docs/api-key. It says whose key it is; no
# role is documented that it needs.
resource "google_service_account" "key" {
  for_each = toset(var.key_projects)

  project      = each.value
  account_id   = "fluxgate-key"
  display_name = "Whose Gemini key Fluxgate has"

  depends_on = [google_project_service.gemini]
}

resource "google_apikeys_key" "gemini" {
  for_each = toset(var.key_projects)

  project = each.value
  # A name is taken for 30 days after its key was deleted, so every version has one of its own.
  name                  = "fluxgate-${var.keys_version}"
  display_name          = "Fluxgate, version ${var.keys_version}"
  service_account_email = google_service_account.key[each.value].email

  restrictions {
    api_targets {
      service = "generativelanguage.googleapis.com"
    }
  }

  # The old one is used until the new one is written.
  lifecycle {
    create_before_destroy = true
  }
}

module "fluxgate" {
  source = "../.."

  project = var.project
  labels  = var.labels

  keys         = [for p in var.key_projects : google_apikeys_key.gemini[p].key_string]
  key_projects = var.key_projects
  keys_version = var.keys_version
}

output "url" {
  description = "The base URL of clients."
  value       = module.fluxgate.url
}

output "curl" {
  description = "A command that asks it something."
  value       = module.fluxgate.curl
}
