locals {
  # A chart of one PromQL query for each legend.
  charts = [
    { title = "Answers by class", stacked = true, queries = {
      "$${labels.response_code_class}" = "sum by (response_code_class) (rate(${local.requests}{${local.this_service}}[$${__interval}]))"
    } },
    { title = "Waits by cause", stacked = true, queries = {
      "$${labels.cause}" = "sum by (cause) (rate(logging_googleapis_com:user_${local.metric_prefix}_waits{${local.this_service}}[$${__interval}]))"
    } },
    { title = "What Gemini refused or failed, by class", stacked = true, queries = {
      "$${labels.class}" = "sum by (class) (rate(logging_googleapis_com:user_${local.metric_prefix}_upstream_failures{${local.this_service}}[$${__interval}]))"
    } },
    { title = "Latency (ms)", stacked = false, queries = {
      for q in ["0.5", "0.95", "0.99"] : q => "histogram_quantile(${q}, sum by (le) (rate(run_googleapis_com:request_latencies_bucket{${local.this_service}}[$${__interval}])))"
    } },
    { title = "Instances", stacked = true, queries = {
      "$${labels.state}" = "sum by (state) (run_googleapis_com:container_instance_count{${local.this_service}})"
    } },
    { title = "Memory and CPU used (share of the limit, 99th percentile)", stacked = false, queries = {
      memory = "histogram_quantile(0.99, sum by (le) (rate(run_googleapis_com:container_memory_utilizations_bucket{${local.this_service}}[$${__interval}])))"
      cpu    = "histogram_quantile(0.99, sum by (le) (rate(run_googleapis_com:container_cpu_utilizations_bucket{${local.this_service}}[$${__interval}])))"
    } },
    { title = "Firestore reads and writes", stacked = false, queries = {
      reads  = "sum(rate(firestore_googleapis_com:document_read_count{monitored_resource=\"firestore_instance\"}[$${__interval}]))"
      writes = "sum(rate(firestore_googleapis_com:document_write_count{monitored_resource=\"firestore_instance\"}[$${__interval}]))"
    } },
  ]

  chart_tiles = [for i, c in local.charts : {
    xPos = (i % 2) * 24, yPos = floor(i / 2) * 16, width = 24, height = 16
    widget = {
      title = c.title
      xyChart = {
        dataSets = [for legend, query in c.queries : {
          plotType        = c.stacked ? "STACKED_AREA" : "LINE"
          legendTemplate  = legend
          timeSeriesQuery = { prometheusQuery = query }
        }]
      }
    }
  }]

  log_tile = {
    xPos = 24, yPos = 48, width = 24, height = 16
    widget = {
      title     = "Warnings and errors"
      logsPanel = { filter = "${local.service_log} AND severity>=WARNING", resourceNames = ["projects/${var.project}"] }
    }
  }
}

resource "google_monitoring_dashboard" "this" {
  count = var.monitoring ? 1 : 0

  project = var.project
  dashboard_json = jsonencode({
    displayName  = "Fluxgate: ${var.name}"
    mosaicLayout = { columns = 48, tiles = concat(local.chart_tiles, [local.log_tile]) }
  })

  depends_on = [google_logging_metric.this]
}
