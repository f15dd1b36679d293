#include "actors/cluster/network.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/middleman_actor.hpp>
#include <caf/local_actor.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/response_promise.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

namespace millrace {

namespace {

/// Longer than the system's own timeout of a connection attempt is of no use.
constexpr std::chrono::seconds patience{30};

caf::io::middleman_actor middleman_of(caf::actor_system& sys) {
  return sys.has_openssl_manager() ? sys.openssl_manager().actor_handle()
                                   : sys.middleman().actor_handle();
}

class network_state {
public:
  static inline const char* name = "millrace.network";

  explicit network_state(network_actor::pointer self)
    : self_{self},
      middleman_{middleman_of(self->system())} {
  }

  network_actor::behavior_type make_behavior() {
    return {
      [this](caf::publish_atom, const std::string& host, uint16_t port,
             const caf::actor& who) { return publish(host, port, who); },
      [this](caf::connect_atom, const std::string& host, uint16_t port) {
        return connect(host, port);
      },
      [this](caf::close_atom, const caf::node_id& node) { disconnect(node); },
    };
  }

private:
  caf::result<uint16_t> publish(const std::string& host, uint16_t port,
                                const caf::actor& who) {
    auto answer = self_->make_response_promise<uint16_t>();
    auto open = [this, host, port, who, answer]() mutable {
      self_
        ->request(middleman_, patience, caf::publish_atom_v, port,
                  caf::actor_cast<caf::strong_actor_ptr>(who),
                  std::set<std::string>{}, host, true)
        .then([answer](uint16_t got) mutable { answer.deliver(got); },
              [answer](caf::error& why) mutable {
                answer.deliver(std::move(why));
              });
    };
    // A former PEERS may still be published there; usually none is.
    self_->request(middleman_, patience, caf::close_atom_v, port)
      .then(open, [open](const caf::error&) mutable { open(); });
    return answer;
  }

  caf::result<caf::actor> connect(const std::string& host, uint16_t port) {
    auto answer = self_->make_response_promise<caf::actor>();
    self_->request(middleman_, patience, caf::connect_atom_v, host, port)
      .then(
        [answer](const caf::node_id&, const caf::strong_actor_ptr& who,
                 const std::set<std::string>&) mutable {
          if (who)
            answer.deliver(caf::actor_cast<caf::actor>(who));
          else
            answer.deliver(caf::make_error(caf::sec::runtime_error,
                                           "nothing is published there"));
        },
        [answer](caf::error& why) mutable { answer.deliver(std::move(why)); });
    return answer;
  }

  /// CAF ends connections by itself only. What it does then, in the thread that
  /// it does it in.
  void disconnect(const caf::node_id& node) {
    auto& middleman = self_->system().middleman();
    auto broker = middleman.get_named_broker("BASP");
    middleman.run_later([broker, node] {
      auto* basp = dynamic_cast<caf::io::basp_broker*>(
        caf::actor_cast<caf::abstract_actor*>(broker));
      if (!basp || basp->getf(caf::abstract_actor::is_terminated_flag))
        return;
      auto found = basp->instance.tbl().lookup_direct(node);
      if (!found)
        return;
      basp->connection_cleanup(*found, caf::sec::connection_closed);
      basp->close(*found);
    });
  }

  network_actor::pointer self_;
  caf::io::middleman_actor middleman_;
};

} // namespace

std::optional<std::string> validate(const network_config& config) {
  if (!config.tls)
    return std::nullopt;
  for (const auto* file :
       {&config.tls->certificate, &config.tls->key, &config.tls->authority})
    if (!std::ifstream{*file})
      return "cannot read " + *file;
  return std::nullopt;
}

void init_network_types() {
  caf::io::middleman::init_global_meta_objects();
  caf::openssl::manager::init_global_meta_objects();
}

void load_network(caf::actor_system_config& raw, const network_config& config) {
  raw.load<caf::io::middleman>();
  raw.set("caf.middleman.app-identifiers",
          std::vector<std::string>{"millrace-wire-"
                                   + std::to_string(wire_version)});
  if (!config.tls)
    return;
  raw.load<caf::openssl::manager>();
  raw.set("caf.openssl.certificate", config.tls->certificate);
  raw.set("caf.openssl.key", config.tls->key);
  raw.set("caf.openssl.cafile", config.tls->authority);
}

bool network_authenticates(caf::actor_system& sys) {
  return sys.has_openssl_manager()
         && sys.openssl_manager().authentication_enabled();
}

network_actor spawn_network(caf::local_actor* parent) {
  return parent->spawn<network_actor::stateful_impl<network_state>>();
}

} // namespace millrace
