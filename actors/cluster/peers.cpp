#include "actors/cluster/peers.hpp"

#include "actors/cluster/log.hpp"
#include "actors/cluster/peer_judge.hpp"
#include "actors/cluster/supervisor.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

/// Keeps a message with routes far below a frame's limit.
constexpr std::size_t routes_per_message = 1'000;

constexpr std::chrono::milliseconds after_answer{10};

std::string to_text(const peer_address& x) {
  return x.host + ':' + std::to_string(x.port);
}

} // namespace

std::optional<std::string> validate(const peers_config& config) {
  if (config.listen.empty() || config.port == 0)
    return "listen and port must be set";
  if (!config.owner)
    return "owner must be set";
  if (config.answer_timeout <= std::chrono::milliseconds{0})
    return "answer_timeout must be positive";
  if (config.tell_interval <= std::chrono::milliseconds{0})
    return "tell_interval must be positive";
  return std::nullopt;
}

peers_state::peers_state(peers_actor::pointer self, peers_config config,
                         router_actor router, network_actor network)
  : self_{self},
    config_{std::move(config)},
    router_{std::move(router)},
    network_{std::move(network)},
    chance_{std::random_device{}()},
    listen_delays_{config_.delays} {
  config_.me.peers = caf::actor_cast<caf::actor>(self_);
  for (const auto& x : config_.others)
    links_.push_back({.where = x,
                      .peers = {},
                      .note = {},
                      .refusal = {},
                      .since_ms = vitals::now_ms(),
                      .delays = backoff{config_.delays}});
}

peers_state::~peers_state() {
  if (config_.connected)
    config_.connected->value(0);
}

peers_actor::behavior_type peers_state::make_behavior() {
  self_->monitor(router_);
  // Nobody else knows it: it ends with this actor, and this one with it.
  self_->link_to(network_);
  self_->set_down_handler([this](caf::down_msg& msg) { on_down(msg); });
  self_->send(router_, caf::subscribe_atom_v,
              caf::actor_cast<caf::actor>(self_));
  listen();
  for (auto& x : links_)
    if (dials(config_.me.node, x.where.node))
      dial(x);
  self_->run_delayed(config_.tell_interval, [this] { tell_all(); });
  self_->run_delayed(config_.missing_after, [this] { look_for_missing(); });
  return {
    [this](const peer_hello& x) { return on_hello(x); },
    [this](peer_routes& x) { on_routes(x); },
    [this](const lane_route& x) { on_local_route(x); },
    [this](inspect_atom) { return report(); },
  };
}

void peers_state::listen() {
  self_
    ->request(network_, config_.connect_timeout, caf::publish_atom_v,
              config_.listen, config_.port, config_.me.peers)
    .then(
      [this](uint16_t) {
        listen_delays_.reset();
        vitals_.become("running");
        log::info("cluster-listening", {{"node", config_.me.node},
                                        {"address", config_.listen},
                                        {"port", config_.port}});
      },
      [this](const caf::error& reason) {
        auto why = "cannot listen on " + config_.listen + ':'
                   + std::to_string(config_.port) + ": " + reason_text(reason);
        auto delay = listen_delays_.next(std::chrono::seconds{0}, chance_);
        if (vitals_.state() != "waiting")
          log::error("cluster-not-listening", {{"reason", why}});
        vitals_.become("waiting", why);
        self_->run_delayed(delay, [this] { listen(); });
      });
}

void peers_state::on_down(const caf::down_msg& msg) {
  if (msg.source == router_.address()) {
    self_->quit(caf::make_error(caf::sec::runtime_error, "ROUTER is gone"));
    return;
  }
  std::erase_if(writers_, [&msg](const auto& x) {
    return x.second.address() == msg.source;
  });
  for (auto& x : links_) {
    if (!x.peers || x.peers.address() != msg.source)
      continue;
    log::warn("peer-lost",
              {{"peer", x.where.node}, {"reason", reason_text(msg.reason)}});
    x.peers = nullptr;
    ++x.attempt;
    if (dials(config_.me.node, x.where.node))
      dial_later(x, "the connection was lost: " + reason_text(msg.reason));
    else
      enter(x, link_state::expected, "the connection was lost");
  }
}

// -- connecting ---------------------------------------------------------------

void peers_state::dial(link& x) {
  if (x.state == link_state::expected)
    enter(x, link_state::connecting);
  ++x.attempt;
  self_
    ->request(network_, config_.connect_timeout, caf::connect_atom_v,
              x.where.host, x.where.port)
    .then(
      [this, &x, n = x.attempt](const caf::actor& who) {
        if (n == x.attempt)
          greet(x, caf::actor_cast<peers_actor>(who));
      },
      [this, &x, n = x.attempt](const caf::error& reason) {
        if (n == x.attempt)
          dial_later(x, "cannot connect to " + to_text(x.where) + ": "
                          + reason_text(reason));
      });
}

void peers_state::greet(link& x, const peers_actor& who) {
  self_->request(who, config_.answer_timeout, config_.me)
    .then(
      [this, &x, who, n = x.attempt](const peer_answer& said) {
        if (n == x.attempt)
          on_answer(x, who, said);
      },
      [this, &x, who, n = x.attempt](const caf::error& reason) {
        if (n != x.attempt)
          return;
        if (reason == caf::sec::request_timeout)
          self_->send(network_, caf::close_atom_v, who.node());
        dial_later(x, "no answer from " + to_text(x.where) + ": "
                        + reason_text(reason));
      });
}

void peers_state::on_answer(link& x, const peers_actor& who,
                            const peer_answer& said) {
  auto why = said.refusal;
  if (why.empty())
    why = mismatch(config_.me, said.me).value_or("");
  if (why.empty() && said.me.node != x.where.node)
    why = "at " + to_text(x.where) + " is node '" + said.me.node + "', not '"
          + x.where.node + "'";
  if (why.empty()) {
    connect(x, who);
    tell(x);
    return;
  }
  refuse(x, why);
  dial_again(x);
}

void peers_state::dial_later(link& x, const std::string& why) {
  if (x.note != why)
    log::warn("peer-waiting", {{"peer", x.where.node}, {"reason", why}});
  enter(x, link_state::connecting, why);
  dial_again(x);
}

void peers_state::dial_again(link& x) {
  auto delay = x.delays.next(std::chrono::seconds{0}, chance_);
  ++x.attempt;
  self_->run_delayed(delay, [this, &x, n = x.attempt] {
    if (n == x.attempt)
      dial(x);
  });
}

peer_answer peers_state::on_hello(const peer_hello& said) {
  auto* x = find(said.node);
  auto why = mismatch(config_.me, said);
  if (!x && !why)
    why = "node '" + said.node + "' is not in [[cluster.static]] of node '"
          + config_.me.node + "'";
  if (!why && !said.peers)
    why = "node '" + said.node + "' presents nobody";
  if (!why) {
    ++x->attempt;
    connect(*x, caf::actor_cast<peers_actor>(said.peers));
    // After the answer: before it the other side takes no routes from us.
    self_->run_delayed(after_answer, [this, x] {
      if (x->state == link_state::connected)
        tell(*x);
    });
    return {{}, config_.me};
  }
  if (x)
    refuse(*x, *why);
  else
    log::error("peer-refused", {{"peer", said.node}, {"reason", *why}});
  return {*why, config_.me};
}

void peers_state::connect(link& x, const peers_actor& who) {
  x.delays.reset();
  x.refusal.clear();
  if (x.peers != who) {
    if (x.peers)
      self_->demonitor(x.peers);
    x.peers = who;
    self_->monitor(who);
  }
  if (x.state != link_state::connected)
    log::info("peer-connected",
              {{"peer", x.where.node}, {"address", to_text(x.where)}});
  ++x.connects;
  enter(x, link_state::connected);
}

void peers_state::refuse(link& x, const std::string& why) {
  if (x.refusal != why)
    log::error("peer-refused", {{"peer", x.where.node}, {"reason", why}});
  x.refusal = why;
  // Who is connected stays so until that connection ends: the stranger may be
  // somebody else.
  if (x.state != link_state::connected)
    enter(x, link_state::refused, why);
}

void peers_state::enter(link& x, link_state state, const std::string& note) {
  if (x.state != state)
    x.since_ms = vitals::now_ms();
  x.state = state;
  x.note = note;
  if (config_.connected)
    config_.connected->value(
      std::ranges::count(links_, link_state::connected, &link::state));
}

void peers_state::look_for_missing() {
  self_->run_delayed(config_.missing_after, [this] { look_for_missing(); });
  auto now = vitals::now_ms();
  for (const auto& x : links_)
    if (x.state == link_state::expected
        && now - x.since_ms >= config_.missing_after.count())
      log::warn("peer-missing",
                {{"peer", x.where.node},
                 {"reason", "it connects to us and has not; is it running, "
                            "with the same release and the same table "
                            "[[cluster.static]]?"}});
}

// -- routes -------------------------------------------------------------------

void peers_state::on_local_route(const lane_route& x) {
  // The ROUTER tells all routes; others tell their own.
  if (!x.writer || config_.owner(x.lane) != config_.me.node)
    return;
  auto& writer = writers_[x.lane];
  if (writer == x.writer)
    return;
  writer = x.writer;
  self_->monitor(writer);
  for (const auto& peer : links_)
    if (peer.state == link_state::connected)
      self_->send(peer.peers, peer_routes{{x}});
}

void peers_state::on_routes(peer_routes& x) {
  auto sender = self_->current_sender();
  auto from = std::ranges::find_if(links_, [&sender](const link& peer) {
    return sender && peer.peers && peer.peers.address() == sender;
  });
  if (from == links_.end())
    return;
  for (auto& route : x.routes) {
    if (route.writer && config_.owner(route.lane) == from->where.node
        && route.writer.node() == from->peers.node())
      self_->send(router_, std::move(route));
    else
      ++refused_routes_;
  }
}

void peers_state::tell(const link& x) {
  peer_routes part;
  for (const auto& [lane, writer] : writers_) {
    part.routes.push_back({lane, writer});
    if (part.routes.size() == routes_per_message)
      self_->send(x.peers, std::exchange(part, {}));
  }
  if (!part.routes.empty())
    self_->send(x.peers, std::move(part));
}

void peers_state::tell_all() {
  self_->run_delayed(config_.tell_interval, [this] { tell_all(); });
  for (const auto& x : links_)
    if (x.state == link_state::connected)
      tell(x);
}

// -- views --------------------------------------------------------------------

peers_state::link* peers_state::find(const std::string& node) {
  auto i = std::ranges::find_if(links_, [&node](const link& x) {
    return x.where.node == node;
  });
  return i == links_.end() ? nullptr : &*i;
}

actor_report peers_state::report() {
  auto connected = std::ranges::count(links_, link_state::connected,
                                      &link::state);
  auto result
    = vitals_.report(self_, {{"peers", static_cast<int64_t>(links_.size())},
                             {"connected", connected},
                             {"lanes", static_cast<int64_t>(writers_.size())},
                             {"refused_routes", refused_routes_}});
  result.name = "peers";
  for (const auto& x : links_) {
    actor_report one;
    one.name = x.where.node;
    one.kind = "millrace.peer";
    switch (x.state) {
      case link_state::expected:
        one.state = "expected";
        break;
      case link_state::connecting:
        one.state = "connecting";
        break;
      case link_state::refused:
        one.state = "refused";
        break;
      case link_state::connected:
        one.state = "connected";
        break;
    }
    one.since_ms = x.since_ms;
    one.counters = {{"connects", x.connects}};
    one.note = x.note;
    result.children.push_back(std::move(one));
  }
  return result;
}

caf::actor spawn_peers(caf::local_actor* parent, peers_config config,
                       router_actor router, network_actor network) {
  return caf::actor_cast<caf::actor>(parent->spawn<peers>(
    std::move(config), std::move(router), std::move(network)));
}

} // namespace millrace
