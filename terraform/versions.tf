terraform {
  # Write-only arguments, which keep keys and tokens out of the state, came with 1.11.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
    # Makes the source archive.
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.8"
    }
    # Makes tokens that are in no state and in no plan.
    random = {
      source  = "hashicorp/random"
      version = "~> 3.9"
    }
  }
}
