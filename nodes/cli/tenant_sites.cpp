#include "nodes/cli/tenant_sites.hpp"

#include "config/config.hpp"
#include "config/values.hpp"

#include <algorithm>

namespace millrace::cli {

namespace {

using step_result = std::expected<std::vector<tenant_step>, std::string>;

class finder {
public:
  explicit finder(const std::vector<tenant_site>& sites) : sites_{sites} {
  }

  step_result run() {
    std::set<std::string> tenants;
    for (const auto& x : sites_) {
      tenants.insert(x.now.begin(), x.now.end());
      tenants.insert(x.then.begin(), x.then.end());
      for (const auto& [tenant, from] : x.arrivals)
        tenants.insert(tenant);
    }
    for (const auto& x : tenants)
      if (auto problem = look_at(x); !problem.empty())
        return std::unexpected{problem};
    for (const auto& x : steps_)
      if (std::ranges::contains(steps_, x.to, &tenant_step::from))
        return std::unexpected{"tenants come to and leave database "
                               + in_quotes(x.to)
                               + ": these are two changes, one after the "
                                 "other"};
    return std::move(steps_);
  }

private:
  const tenant_site* find(std::string_view database) const {
    auto i = std::ranges::find(sites_, database, &tenant_site::database);
    return i == sites_.end() ? nullptr : &*i;
  }

  /// A sentence when it stands in the way.
  std::string look_at(const std::string& tenant) {
    const tenant_site* now = nullptr;
    const tenant_site* then = nullptr;
    const tenant_site* fenced = nullptr;
    for (const auto& x : sites_) {
      if (x.now.contains(tenant)) {
        if (now)
          return "tenant " + in_quotes(tenant) + " has lanes in database "
                 + in_quotes(now->database) + " and in "
                 + in_quotes(x.database);
        now = &x;
      }
      if (x.then.contains(tenant))
        then = &x;
      if (x.arrivals.contains(tenant))
        fenced = &x;
    }
    // Its old database has let it go already.
    if (fenced && !now && then != fenced)
      return "tenant " + in_quotes(tenant) + " is on its way to database "
             + in_quotes(fenced->database)
             + ": first complete this with the configuration that it was "
               "begun with";
    if (now == then)
      return {};
    if (!then)
      return now->database == control_database
               ? std::string{}
               : "tenant " + in_quotes(tenant) + " is in database "
                   + in_quotes(now->database)
                   + ": move it to the control database first, and remove it "
                     "there";
    if (now)
      return add(tenant, *now, *then);
    if (then->database == control_database)
      return {};
    if (fenced) {
      const auto& from = fenced->arrivals.at(tenant);
      if (const auto* x = find(from))
        return add(tenant, *x, *then);
      return "tenant " + in_quotes(tenant) + " is on its way from database "
             + in_quotes(from) + ", which the configuration does not have";
    }
    if (const auto* control = find(control_database); control && control->ran)
      return add(tenant, *control, *then);
    return {};
  }

  std::string add(const std::string& tenant, const tenant_site& from,
                  const tenant_site& to) {
    if (!to.ran && from.database != control_database)
      return "the pipeline has never run on database " + in_quotes(to.database)
             + ": move tenant " + in_quotes(tenant)
             + " to the control database first, and from there on";
    steps_.push_back({tenant, from.database, to.database});
    return {};
  }

  const std::vector<tenant_site>& sites_;
  std::vector<tenant_step> steps_;
};

} // namespace

std::expected<std::vector<tenant_step>, std::string>
find_steps(const std::vector<tenant_site>& sites) {
  return finder{sites}.run();
}

} // namespace millrace::cli
