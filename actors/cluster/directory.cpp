#include "actors/cluster/directory.hpp"

#include <caf/actor_registry.hpp>

#include <stdexcept>
#include <string>

namespace millrace {

namespace {

constexpr const char* router_name = "millrace.router";

std::string pool_name(std::string_view tenant) {
  return "millrace.pool." + std::string{tenant};
}

template <class Handle>
Handle find(caf::actor_system& sys, const std::string& name) {
  auto found = sys.registry().get<caf::strong_actor_ptr>(name);
  if (!found)
    throw std::runtime_error{"no actor is called " + name + " yet"};
  return caf::actor_cast<Handle>(found);
}

} // namespace

void publish_pool(caf::actor_system& sys, std::string_view tenant,
                  const pool_actor& x) {
  sys.registry().put(pool_name(tenant), x);
}

pool_actor find_pool(caf::actor_system& sys, std::string_view tenant) {
  return find<pool_actor>(sys, pool_name(tenant));
}

void publish_router(caf::actor_system& sys, const router_actor& x) {
  sys.registry().put(router_name, x);
}

router_actor find_router(caf::actor_system& sys) {
  return find<router_actor>(sys, router_name);
}

void clear_directory(caf::actor_system& sys) {
  for (const auto& [name, handle] : sys.registry().named_actors())
    if (name.starts_with("millrace."))
      sys.registry().erase(name);
}

} // namespace millrace
