resource "google_firestore_database" "this" {
  count = var.create_database ? 1 : 0

  project          = var.project
  name             = var.database
  location_id      = coalesce(var.database_location, var.region)
  type             = "FIRESTORE_NATIVE"
  database_edition = "STANDARD"

  # Fluxgate commits on the condition that nobody else has: with pessimistic locks that would wait instead of losing.
  concurrency_mode            = "OPTIMISTIC"
  app_engine_integration_mode = "DISABLED"

  # It holds what has been used of the quotas today. Without it Gemini's limits are learned the hard way.
  delete_protection_state = "DELETE_PROTECTION_ENABLED"
  deletion_policy         = "ABANDON"

  # It stays where it was made, also when the function moves: Firestore can't move a database, and another would be empty.
  lifecycle {
    ignore_changes = [location_id]
  }

  depends_on = [google_project_service.api]
}

locals {
  database = var.create_database ? google_firestore_database.this[0].name : var.database

  # Packed bytes that no query asks for. An index of them would make every write slower and larger, and an indexed
  # value may have no more than 1,500 bytes. The first two are those of project documents, the last is that of all others.
  unindexed = toset(["state", "sections", "data"])
}

resource "google_firestore_field" "unindexed" {
  for_each = local.unindexed

  project    = var.project
  database   = local.database
  collection = var.collection
  field      = each.value

  # Empty: no index.
  index_config {}

  depends_on = [google_project_service.api]
}

resource "google_firestore_field" "expiry" {
  count = var.expire_history ? 1 : 0

  project    = var.project
  database   = local.database
  collection = var.collection
  field      = "expire_at"

  # Expiry needs no index, and one over rising instants has a hot end.
  index_config {}
  ttl_config {}

  depends_on = [google_project_service.api]
}
