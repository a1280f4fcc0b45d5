#include "sim/whole/simulated_disk.hpp"

#include <algorithm>

namespace galen::sim {

namespace {

Error no_power() { return {ErrorCode::IO_ERROR, "no power"}; }

}  // namespace

class SimulatedDisk::OpenFile final : public node::File {
 public:
  OpenFile(SimulatedDisk& disk, std::shared_ptr<Content> content) : disk_(disk), content_(std::move(content)) {}

  Status write_at(std::uint64_t offset, ByteSpan bytes) override {
    if (offset + bytes.size() > content_->cache.size()) return {ErrorCode::IO_ERROR, "write beyond the end"};
    if (!disk_.spend()) {
      disk_.put(*content_, offset, bytes.first(disk_.rng_.below(bytes.size() + 1)));
      return no_power();
    }
    auto how = std::exchange(disk_.next_write_, NextWrite::sound);
    if (how == NextWrite::lost) {  // the cache shows it, the medium never will
      std::copy(bytes.begin(), bytes.end(), content_->cache.begin() + static_cast<std::ptrdiff_t>(offset));
      return {};
    }
    if (how == NextWrite::misdirected)
      offset = disk_.rng_.below((content_->cache.size() - bytes.size()) / kSector + 1) * kSector;
    disk_.put(*content_, offset, bytes);
    return {};
  }
  Status read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
    if (offset + out.size() > content_->cache.size()) return {ErrorCode::IO_ERROR, "read beyond the end"};
    std::copy_n(content_->cache.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  Status sync_data() override {
    if (!disk_.spend()) return no_power();
    for (auto sector : content_->dirty) flush(*content_, sector);
    content_->dirty.clear();
    return {};
  }
  void drop_cache() override {
    if (content_->dirty.empty()) content_->cache = content_->medium;
  }
  Result<std::uint64_t> size() override { return static_cast<std::uint64_t>(content_->cache.size()); }

 private:
  SimulatedDisk& disk_;
  std::shared_ptr<Content> content_;
};

bool SimulatedDisk::spend() {
  if (!calls_left_) return true;
  if (*calls_left_ == 0) return false;
  return --*calls_left_ > 0;
}

void SimulatedDisk::flush(Content& content, std::size_t sector) {
  auto begin = sector * kSector, end = std::min(begin + kSector, content.medium.size());
  std::copy(content.cache.begin() + static_cast<std::ptrdiff_t>(begin),
            content.cache.begin() + static_cast<std::ptrdiff_t>(end),
            content.medium.begin() + static_cast<std::ptrdiff_t>(begin));
}

void SimulatedDisk::put(Content& content, std::uint64_t offset, ByteSpan bytes) {
  std::copy(bytes.begin(), bytes.end(), content.cache.begin() + static_cast<std::ptrdiff_t>(offset));
  for (auto sector = offset / kSector; sector * kSector < offset + bytes.size(); ++sector) content.dirty.insert(sector);
}

void SimulatedDisk::crash() {
  auto kept = rng_.below(3);  // all, none, or each by itself
  for (auto& [path, content] : contents_) {
    for (auto sector : content->dirty)
      if (kept == 0 || (kept == 1 && rng_.chance(1, 2))) flush(*content, sector);
    content->dirty.clear();
    content->cache = content->medium;
  }
  calls_left_.reset();
  next_write_ = NextWrite::sound;
}

bool SimulatedDisk::flip_bit() {
  if (contents_.empty()) return false;
  auto chosen = contents_.begin();
  std::advance(chosen, static_cast<std::ptrdiff_t>(rng_.below(contents_.size())));
  auto& medium = chosen->second->medium;
  // Used sectors only: most of a segment is zeros that nobody reads.
  for (int i = 0; i < 64 && !medium.empty(); ++i) {
    auto begin = rng_.below((medium.size() + kSector - 1) / kSector) * kSector;
    auto end = std::min(begin + kSector, medium.size());
    auto first = medium.begin() + static_cast<std::ptrdiff_t>(begin), last = medium.begin() + static_cast<std::ptrdiff_t>(end);
    if (std::all_of(first, last, [](auto byte) { return byte == 0; })) continue;
    auto at = begin + rng_.below(end - begin);
    medium[at] ^= static_cast<std::uint8_t>(1U << rng_.below(8));
    chosen->second->cache = medium;
    return true;
  }
  return false;
}

Result<std::unique_ptr<node::File>> SimulatedDisk::open(const std::string& path) {
  auto found = contents_.find(path);
  if (found == contents_.end()) return {ErrorCode::NOT_FOUND, "no " + path};
  return std::unique_ptr<node::File>(new OpenFile(*this, found->second));
}

Status SimulatedDisk::create_zero_filled(const std::string& path, std::uint64_t size) { return replace(path, Bytes(size)); }

/// Temporary name, sync, rename: the new file is there, or the old one is.
Status SimulatedDisk::replace(const std::string& path, ByteSpan bytes) {
  if (!spend()) return no_power();
  auto content = std::make_shared<Content>();
  content->medium = content->cache = to_bytes(bytes);
  contents_[path] = std::move(content);
  return {};
}

Result<Bytes> SimulatedDisk::read_all(const std::string& path, std::size_t) {
  auto found = contents_.find(path);
  if (found == contents_.end()) return {ErrorCode::NOT_FOUND, "no " + path};
  return found->second->cache;
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& [path, content] : contents_)
    if (path.starts_with(directory + "/")) names.push_back(path.substr(directory.size() + 1));
  return names;
}

Status SimulatedDisk::remove(const std::string& path) {
  if (!spend()) return no_power();
  contents_.erase(path);
  return {};
}

}  // namespace galen::sim
