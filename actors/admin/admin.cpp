#include "actors/admin/admin.hpp"

#include "actors/admin/metric_names.hpp"
#include "actors/admin/metric_snapshot.hpp"
#include "actors/admin/pages.hpp"
#include "actors/admin/process_metrics.hpp"
#include "actors/admin/rate_meter.hpp"
#include "actors/cluster/log.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <stdexcept>

#include <unistd.h>

namespace millrace {

namespace {

using steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds tick_interval{1'000};
constexpr std::chrono::seconds rate_window{10};

http_response json(int status, std::string body) {
  return {status, "application/json; charset=utf-8", std::move(body)};
}

http_response text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body)};
}

std::string json_error(std::string_view what) {
  json_writer out;
  out.begin_object().key("error").string(what).end_object();
  return std::move(out).str() + '\n';
}

void write_port_file(const std::string& path, uint16_t port) {
  auto fresh = path + ".new";
  std::ofstream out{fresh, std::ios::trunc};
  out << port << '\n';
  out.close();
  if (!out)
    throw std::runtime_error{
      std::format("admin: cannot write the port to {}", path)};
  std::filesystem::rename(fresh, path);
}

} // namespace

std::optional<std::string> validate(const admin_config& config) {
  if (config.http.threads == 0 || config.http.threads > 64)
    return "http.threads must be between 1 and 64";
  if (config.http.max_queued == 0)
    return "http.max_queued must be at least 1";
  if (config.http.timeout.count() <= 0)
    return "http.timeout must be positive";
  if (config.inspect_timeout.count() <= 0)
    return "inspect_timeout must be positive";
  if (config.stuck_after <= tick_interval)
    return "stuck_after must be longer than a second";
  return std::nullopt;
}

/// Lives as long as a request may run; everything in it bears many threads.
struct admin_state::core {
  core(caf::actor_system& system, admin_config what, admin_wiring with)
    : sys{system},
      config{std::move(what)},
      wiring{std::move(with)} {
  }

  metric_snapshot metrics() const {
    auto result = take_snapshot(sys.metrics());
    std::ranges::move(process_metrics(config.version),
                      std::back_inserter(result));
    return result;
  }

  std::optional<actor_report> tree() {
    auto root = caf::actor_cast<caf::actor>(wiring.root);
    if (!root)
      return std::nullopt;
    std::optional<actor_report> result;
    caf::scoped_actor self{sys, true};
    self->request(root, config.inspect_timeout, inspect_atom_v)
      .receive([&](actor_report& x) { result = std::move(x); },
               [](const caf::error&) {});
    return result;
  }

  void sample() {
    auto all = take_snapshot(sys.metrics());
    const auto& rows = metric_names::rows_written.name;
    auto now = steady::now();
    std::lock_guard guard{mutex};
    for (const auto& p : label_values(all, rows, "pipeline")) {
      auto at = meters.try_emplace(p, rate_window).first;
      at->second.add(now, total(all, rows, {{"pipeline", p}}));
    }
    last_tick = now;
  }

  http_response livez() const {
    auto silent = steady::now() - last_tick.load();
    if (silent <= config.stuck_after)
      return text(200, "ok\n");
    auto s = std::chrono::duration_cast<std::chrono::seconds>(silent).count();
    return text(503, std::format("actors were not served for {} s\n", s));
  }

  http_response readyz(const http_request& request) const {
    auto checks = wiring.board->checks();
    return text(ready(checks) ? 200 : 503,
                readiness_text(checks, request.query.contains("verbose")));
  }

  http_response metrics_page() const {
    return {200, std::string{prometheus_content_type},
            render_prometheus(metrics())};
  }

  http_response version() const {
    json_writer out;
    out.begin_object();
    out.key("name").string("millrace");
    out.key("version").string(config.version);
    out.key("node").string(config.node);
    out.end_object();
    return json(200, std::move(out).str() + '\n');
  }

  http_response actors(const http_request& request) {
    auto all = tree();
    if (!all)
      return json(503, json_error("the actors did not answer in time"));
    auto format = request.query.find("format");
    if (format != request.query.end() && format->second == "text")
      return text(200, tree_text(*all, vitals::now_ms()));
    return json(200, tree_json(*all));
  }

  http_response status() {
    status_input x;
    x.node = config.node;
    x.version = config.version;
    x.pid = getpid();
    x.uptime_seconds
      = std::chrono::duration_cast<std::chrono::seconds>(steady::now() - start)
          .count();
    x.checks = wiring.board->checks();
    x.metrics = metrics();
    x.tree = tree();
    x.extra = wiring.status_extra;
    {
      std::lock_guard guard{mutex};
      for (const auto& [pipeline, meter] : meters)
        x.rows_per_second[pipeline] = meter.per_second();
    }
    return json(200, status_json(x));
  }

  caf::actor_system& sys;
  const admin_config config;
  const admin_wiring wiring;
  const steady::time_point start = steady::now();
  std::atomic<steady::time_point> last_tick = steady::now();

  std::mutex mutex;
  std::map<std::string, rate_meter> meters;
};

admin_state::admin_state(admin_actor::pointer self, admin_config config,
                         admin_wiring wiring)
  : self_{self} {
  if (auto complaint = validate(config))
    throw std::invalid_argument{"admin: " + *complaint};
  if (!wiring.board)
    throw std::invalid_argument{"admin: a readiness board is needed"};
  server_ = std::make_unique<http_server>(config.http);
  core_ = std::make_shared<core>(self_->system(), std::move(config),
                                 std::move(wiring));
}

admin_state::~admin_state() = default;

admin_actor::behavior_type admin_state::make_behavior() {
  try {
    add_pages();
    server_->start();
    if (!core_->config.port_file.empty())
      write_port_file(core_->config.port_file, server_->port());
  } catch (const std::exception& e) {
    server_->stop();
    self_->quit(caf::make_error(caf::sec::runtime_error, e.what()));
    return admin_actor::behavior_type::make_empty_behavior();
  }
  log::info("admin-listening",
            {{"host", core_->config.http.host}, {"port", server_->port()}});
  tick();
  return {
    [this](inspect_atom) {
      return vitals_.report(self_, {{"port", server_->port()}});
    },
    [this](caf::get_atom) { return server_->port(); },
  };
}

void admin_state::add_pages() {
  using request = const http_request&;
  auto x = core_;
  for (const auto* path : {"/livez", "/ping"})
    server_->get(path, [x](request) { return x->livez(); });
  for (const auto* path : {"/readyz", "/ready", "/health"})
    server_->get(path, [x](request r) { return x->readyz(r); });
  server_->get("/metrics", [x](request) { return x->metrics_page(); });
  server_->get("/version", [x](request) { return x->version(); });
  server_->get("/v1/actors", [x](request r) { return x->actors(r); });
  server_->get("/v1/status", [x](request) { return x->status(); });
}

void admin_state::tick() {
  core_->sample();
  self_->run_delayed(tick_interval, [this] { tick(); });
}

caf::actor spawn_admin(caf::local_actor* parent, admin_config config,
                       admin_wiring wiring) {
  return caf::actor_cast<caf::actor>(
    parent->spawn<admin, caf::detached>(std::move(config), std::move(wiring)));
}

} // namespace millrace
