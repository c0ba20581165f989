# A domain of your own: a global load balancer with a certificate that Google manages, in front of the function, which
# takes requests from nowhere else. And a network for what the function sends.
#
#   terraform init
#   TF_VAR_keys='["AQ.…"]' terraform apply -var project=my-project -var domain=gemini.example.com
#
# Then point the domain at the output address. The certificate is there some minutes to an hour after the name leads here.
# A load balancer is paid by the hour; this is for who needs the name.

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
  description = "ID of the Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the function."
  type        = string
  default     = "us-central1"
}

variable "domain" {
  description = "The name that leads to the load balancer."
  type        = string
}

variable "keys" {
  description = "The Gemini API keys."
  type        = list(string)
  sensitive   = true
  ephemeral   = true
}

resource "google_project_service" "compute" {
  project = var.project
  service = "compute.googleapis.com"

  disable_on_destroy = false
}

# What the function sends comes from here. Private Google Access has Firestore, Secret Manager and Gemini reached without an
# address of the internet; whoever sends elsewhere (a collector, a webhook) adds a Cloud NAT.
resource "google_compute_network" "this" {
  project                 = var.project
  name                    = "fluxgate"
  auto_create_subnetworks = false

  depends_on = [google_project_service.compute]
}

resource "google_compute_subnetwork" "this" {
  project                  = var.project
  name                     = "fluxgate"
  region                   = var.region
  network                  = google_compute_network.this.name
  ip_cidr_range            = "10.80.0.0/26"
  private_ip_google_access = true
}

module "fluxgate" {
  source = "../.."

  project = var.project
  region  = var.region
  keys    = var.keys

  access  = "tokens"
  callers = ["app"]
  ingress = "ALLOW_INTERNAL_AND_GCLB"
  vpc     = { network = google_compute_network.this.name, subnetwork = google_compute_subnetwork.this.name }
}

resource "google_compute_region_network_endpoint_group" "this" {
  project               = var.project
  name                  = "fluxgate"
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = "fluxgate"
  }

  depends_on = [google_project_service.compute]
}

resource "google_compute_backend_service" "this" {
  project               = var.project
  name                  = "fluxgate"
  load_balancing_scheme = "EXTERNAL_MANAGED"

  backend {
    group = google_compute_region_network_endpoint_group.this.id
  }

  # URLs may hold tokens (?key=), and its log has them. Cloud Run's own leaves such lines out.
  log_config {
    enable = false
  }
}

resource "google_compute_url_map" "this" {
  project         = var.project
  name            = "fluxgate"
  default_service = google_compute_backend_service.this.id
}

resource "google_compute_managed_ssl_certificate" "this" {
  project = var.project
  name    = "fluxgate"

  managed {
    domains = [var.domain]
  }

  depends_on = [google_project_service.compute]
}

resource "google_compute_target_https_proxy" "this" {
  project          = var.project
  name             = "fluxgate"
  url_map          = google_compute_url_map.this.id
  ssl_certificates = [google_compute_managed_ssl_certificate.this.id]
}

resource "google_compute_global_address" "this" {
  project = var.project
  name    = "fluxgate"

  depends_on = [google_project_service.compute]
}

resource "google_compute_global_forwarding_rule" "this" {
  project               = var.project
  name                  = "fluxgate"
  target                = google_compute_target_https_proxy.this.id
  ip_address            = google_compute_global_address.this.address
  port_range            = "443"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}

output "address" {
  description = "What the domain has to lead to: an A record."
  value       = google_compute_global_address.this.address
}

output "url" {
  description = "The base URL of clients."
  value       = "https://${var.domain}"
}

output "tokens" {
  description = "Commands that print the tokens."
  value       = module.fluxgate.tokens
}
