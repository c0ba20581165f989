terraform {
  # Write-only arguments, which keep keys and tokens out of the state, came with 1.11.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.45, < 9"
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
    # Waits where Google needs a while to heed what it was told.
    time = {
      source  = "hashicorp/time"
      version = "~> 0.14"
    }
  }
}
