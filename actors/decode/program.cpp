#include "actors/decode/program.hpp"

#include "actors/decode/fingerprint.hpp"
#include "actors/decode/program_data.hpp"

#include <algorithm>
#include <format>
#include <stdexcept>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace millrace {

std::string to_string(const compile_problem& x) {
  auto at = x.at.file;
  if (x.at.line > 0)
    at += std::format("{}{}:{}", at.empty() ? "" : ":", x.at.line, x.at.column);
  return std::format("{}{}{}: {}", at, at.empty() ? "" : ": ", x.path,
                     x.message);
}

uint64_t route_hash(std::string_view route) noexcept {
  return XXH64(route.data(), route.size(), 0);
}

program::program(std::shared_ptr<const detail::program_data> data,
                 tenant_programs others)
  : data_{std::move(data)},
    others_{std::move(others)} {
  // nop
}

program::~program() = default;

const std::vector<write_info>& program::writes() const noexcept {
  return data_->infos;
}

uint64_t program::map_fingerprint() const noexcept {
  return data_->map_fingerprint;
}

millrace::shape program::shape() const noexcept {
  return data_->shape;
}

bool program::needs_headers() const noexcept {
  return data_->needs_headers;
}

const std::string& program::constant_tenant() const noexcept {
  return data_->constant_tenant;
}

const tenant_programs& program::others() const noexcept {
  return others_;
}

const program& program::of(std::string_view tenant) const noexcept {
  auto i = others_.find(tenant);
  return i == others_.end() ? *this : *i->second;
}

const detail::program_data& program::data() const noexcept {
  return *data_;
}

program_ptr program::beside(tenant_programs others) const {
  for (const auto& [tenant, x] : others)
    if (x->map_fingerprint() != map_fingerprint())
      throw std::invalid_argument{"the program of tenant " + tenant
                                  + " has another map"};
  return std::make_shared<const program>(data_, std::move(others));
}

uint64_t map_fingerprint(const program& x, std::vector<std::string> tenants) {
  std::ranges::sort(tenants);
  detail::fingerprint_text text;
  text.add(static_cast<uint32_t>(x.map_fingerprint()));
  text.add(static_cast<uint32_t>(x.map_fingerprint() >> 32));
  for (const auto& name : tenants)
    text.add(name);
  return text.hash();
}

std::vector<std::string> coordinate_columns(const program& x,
                                            std::size_t write) {
  using detail::column_source;
  std::vector<std::string> result;
  const auto& from = x.data().writes[write];
  auto has = [&](column_source source) {
    return std::ranges::contains(from.columns, source,
                                 &detail::column_program::source);
  };
  if (!has(column_source::partition) || !has(column_source::offset)
      || (!from.each.empty() && !has(column_source::index)))
    return result;
  for (std::size_t i = 0; i < from.columns.size(); ++i) {
    auto source = from.columns[i].source;
    if (source == column_source::partition || source == column_source::offset
        || (source == column_source::index && !from.each.empty()))
      result.push_back(x.writes()[write].columns[i].name);
  }
  return result;
}

} // namespace millrace
