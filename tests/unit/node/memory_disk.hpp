// A disk in memory for tests of the log: what was not synced survives a crash sector by sector, as a seed decides;
// writes and syncs can be made to fail, and a failed sync leaves pages that read well until the cache is dropped.
#pragma once

#include <map>
#include <set>

#include "galen/base/rng.hpp"
#include "galen/node/file_access.hpp"

namespace galen::node {

class MemoryDisk final : public FileAccess {
 public:
  static constexpr std::size_t kSector = 512;
  struct Content {
    Bytes medium, cache;
    std::set<std::size_t> dirty;  ///< sectors
  };
  std::map<std::string, std::shared_ptr<Content>> contents;
  std::uint64_t writes = 0, syncs = 0;
  std::uint64_t fail_write_at = UINT64_MAX, fail_sync_at = UINT64_MAX;  ///< counted as writes and syncs are
  std::uint64_t power_off_at_sync = UINT64_MAX;  ///< the sync neither returns well nor decides: crash() does

  /// Power loss: every unsynced sector reaches the medium or not.
  void crash(Rng& rng) {
    for (auto& [path, content] : contents) {
      for (auto sector : content->dirty)
        if (rng.chance(1, 2)) flush_sector(*content, sector);
      content->dirty.clear();
      content->cache = content->medium;
    }
  }

  Result<std::unique_ptr<File>> open(const std::string& path) override {
    auto found = contents.find(path);
    if (found == contents.end()) return {ErrorCode::NOT_FOUND, "no " + path};
    return std::unique_ptr<File>(new MemoryFile(*this, found->second));
  }
  Status create_zero_filled(const std::string& path, std::uint64_t size) override { return replace(path, Bytes(size)); }
  Status replace(const std::string& path, ByteSpan bytes) override {
    auto content = std::make_shared<Content>();
    content->medium = content->cache = to_bytes(bytes);
    contents[path] = std::move(content);
    return {};
  }
  Result<Bytes> read_all(const std::string& path, std::size_t) override {
    auto found = contents.find(path);
    if (found == contents.end()) return {ErrorCode::NOT_FOUND, "no " + path};
    return found->second->cache;
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    std::vector<std::string> names;
    for (const auto& [path, content] : contents)
      if (path.starts_with(directory + "/")) names.push_back(path.substr(directory.size() + 1));
    return names;
  }
  Status remove(const std::string& path) override {
    contents.erase(path);
    return {};
  }

 private:
  static void flush_sector(Content& content, std::size_t sector) {
    const auto begin = sector * kSector;
    const auto end = std::min(begin + kSector, content.medium.size());
    std::copy(content.cache.begin() + static_cast<std::ptrdiff_t>(begin),
              content.cache.begin() + static_cast<std::ptrdiff_t>(end),
              content.medium.begin() + static_cast<std::ptrdiff_t>(begin));
  }

  class MemoryFile final : public File {
   public:
    MemoryFile(MemoryDisk& disk, std::shared_ptr<Content> content) : disk_(disk), content_(std::move(content)) {}
    Status write_at(std::uint64_t offset, ByteSpan bytes) override {
      if (disk_.writes++ >= disk_.fail_write_at) return {ErrorCode::IO_ERROR, "write refused"};
      if (offset + bytes.size() > content_->cache.size()) return {ErrorCode::IO_ERROR, "write beyond the end"};
      std::copy(bytes.begin(), bytes.end(), content_->cache.begin() + static_cast<std::ptrdiff_t>(offset));
      for (auto sector = offset / kSector; sector * kSector < offset + bytes.size(); ++sector)
        content_->dirty.insert(sector);
      return {};
    }
    Status read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
      if (offset + out.size() > content_->cache.size()) return {ErrorCode::IO_ERROR, "read beyond the end"};
      std::copy_n(content_->cache.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
      return {};
    }
    Status sync_data() override {
      if (disk_.syncs >= disk_.power_off_at_sync) return {ErrorCode::IO_ERROR, "no power"};
      const bool fails = disk_.syncs++ >= disk_.fail_sync_at;
      for (auto sector : content_->dirty)
        if (!fails) flush_sector(*content_, sector);
      content_->dirty.clear();  // a failed sync marks pages clean all the same
      if (fails) return {ErrorCode::IO_ERROR, "sync refused"};
      return {};
    }
    void drop_cache() override {
      if (content_->dirty.empty()) content_->cache = content_->medium;
    }
    Result<std::uint64_t> size() override { return static_cast<std::uint64_t>(content_->cache.size()); }

   private:
    MemoryDisk& disk_;
    std::shared_ptr<Content> content_;
  };
};

}  // namespace galen::node
