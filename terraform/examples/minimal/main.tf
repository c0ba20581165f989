# The least that works: Google identities may call, an administrator has a token.
#
#   terraform init
#   TF_VAR_keys='["AQ.…","AQ.…"]' terraform apply -var project=my-project

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
  description = "ID of an empty Google Cloud project with billing."
  type        = string
}

variable "keys" {
  description = "The Gemini API keys."
  type        = list(string)
  sensitive   = true
  ephemeral   = true
}

module "fluxgate" {
  source = "../.."

  project = var.project
  keys    = var.keys
}

output "curl" {
  description = "A command that asks it something."
  value       = module.fluxgate.curl
}
