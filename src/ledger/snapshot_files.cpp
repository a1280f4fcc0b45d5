// Two passes over the frozen rows: one to measure how they spread, one that appends each row to its part's file, a
// bounded number of bytes at a time; then each part is sorted, hashed and written in its final form. So memory is
// bounded whatever the state holds.
#include "galen/ledger/snapshot_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "galen/crypto/sparse_merkle.hpp"
#include "ledger/checked_file.hpp"

namespace galen::ledger {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kManifestBytesMax = 6 * 1024 * 1024;
constexpr std::size_t kBufferedBytesMax = 32u << 20;
constexpr std::size_t kPartBytesLeast = 32u << 10, kPartBytesMost = 512u << 10;
constexpr std::size_t kPartsWanted = 256;
constexpr std::size_t kRowsPerPace = 100;
constexpr const char* kUnfinished = "unfinished";

Status to_status(const std::error_code& error, const std::string& doing) {
  return error ? Status(ErrorCode::IO_ERROR, "cannot " + doing + ": " + error.message()) : Status{};
}
std::string part_name(std::uint32_t index) { return "part-" + std::to_string(index); }

/// The least depth at which parts are small enough, from the bytes below each prefix of 16 bits. A part that stays too
/// large at every depth cannot be: a row is far smaller.
Result<std::uint8_t> choose_depth(std::vector<std::uint64_t> bytes) {
  std::uint64_t total = 0;
  for (auto count : bytes) total += count;
  const auto wanted = std::clamp<std::uint64_t>(total / kPartsWanted, kPartBytesLeast, kPartBytesMost);
  std::optional<std::uint8_t> least;
  for (unsigned depth = kSnapshotDepthMax;; --depth) {
    const bool fits = *std::max_element(bytes.begin(), bytes.end()) + kSnapshotPartHeadBytes <= kSnapshotPartBytesMax;
    if (fits && total <= wanted << depth) least = static_cast<std::uint8_t>(depth);
    if (depth == 0) break;
    for (std::size_t i = 0; i < bytes.size() / 2; ++i) bytes[i] = bytes[2 * i] + bytes[2 * i + 1];
    bytes.resize(bytes.size() / 2);
  }
  if (!least) return {ErrorCode::TOO_LARGE, "The state's rows do not fit 65536 parts of a snapshot."};
  return *least;
}

}  // namespace

class SnapshotFiles::Maker {
 public:
  Maker(const Source& source, std::string folder) : source_(source), folder_(std::move(folder)) {}

  Status run() {
    GALEN_TRY(measure());
    GALEN_TRY(sort_rows());
    SnapshotManifest manifest;
    manifest.depth = depth_;
    manifest.headers = source_.headers;
    manifest.certificate = source_.certificate;
    manifest.epochs = source_.epochs;
    GALEN_ASSIGN(manifest.frontier, source_.view->history_frontier(source_.view->height()));
    for (std::uint32_t index = 0; index < 1u << depth_; ++index) {
      GALEN_ASSIGN(auto node, finish_part(index));
      manifest.nodes.push_back(node);
      if (!source_.pace()) return stopped();
    }
    const auto* certifying = manifest.certifying();
    if (certifying == nullptr || snapshot_root(suite(), manifest.nodes) != certifying->state_root)
      return {ErrorCode::BAD_PROOF, "The snapshot's rows do not lead to the certified state root."};
    const auto bytes = manifest.encode();
    if (bytes.size() > kManifestBytesMax) return {ErrorCode::TOO_LARGE, "The snapshot's manifest exceeds its limit."};
    return write_checked_file(folder_ + "/manifest", bytes);
  }

 private:
  crypto::Suite suite() const { return source_.context.suite; }
  static Error stopped() { return make_error(ErrorCode::CANCELLED, "the snapshot is not made to its end"); }
  Hash path_of(ByteSpan row_key) const { return crypto::state_path(suite(), row_key[0], row_key.subspan(1)); }

  Status each_row(const std::function<Status(ByteSpan, ByteSpan)>& visit) {
    std::size_t rows = 0;
    return source_.view->each_state_row([&](ByteSpan key, ByteSpan value) -> Status {
      if (++rows % kRowsPerPace == 0 && !source_.pace()) return stopped();
      return visit(key, value);
    });
  }

  Status measure() {
    std::vector<std::uint64_t> bytes(std::size_t{1} << kSnapshotDepthMax);
    GALEN_TRY(each_row([&](ByteSpan key, ByteSpan value) -> Status {
      bytes[snapshot_prefix(path_of(key), kSnapshotDepthMax)] += kSnapshotRowOverheadBytes + key.size() + value.size();
      return {};
    }));
    GALEN_ASSIGN(depth_, choose_depth(std::move(bytes)));
    return {};
  }

  Status sort_rows() {
    std::vector<ByteWriter> buffers(std::size_t{1} << depth_);
    std::size_t buffered = 0;
    GALEN_TRY(each_row([&](ByteSpan key, ByteSpan value) -> Status {
      auto& buffer = buffers[snapshot_prefix(path_of(key), depth_)];
      buffer.u16(static_cast<std::uint16_t>(key.size())).raw(key).sized(value);
      buffered += kSnapshotRowOverheadBytes + key.size() + value.size();
      if (buffered < kBufferedBytesMax) return {};
      buffered = 0;
      return spill(buffers);
    }));
    return spill(buffers);
  }

  Status spill(std::vector<ByteWriter>& buffers) {
    for (std::uint32_t index = 0; index < buffers.size(); ++index) {
      if (buffers[index].size() == 0) continue;
      const auto bytes = std::move(buffers[index]).take();
      buffers[index] = ByteWriter();
      std::ofstream out(folder_ + "/" + part_name(index), std::ios::binary | std::ios::app);
      out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
      out.close();
      if (!out) return {ErrorCode::IO_ERROR, "cannot write a part of a snapshot in " + folder_};
    }
    return {};
  }

  Result<SnapshotNode> finish_part(std::uint32_t index) {
    const auto path = folder_ + "/" + part_name(index);
    std::ifstream in(path, std::ios::binary);
    const Bytes bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    struct PathedRow {
      StateLeaf leaf;
      StateRow row;
    };
    std::vector<PathedRow> found;
    ByteReader reader(bytes);
    while (reader.remaining() > 0) {
      auto key = reader.raw(reader.u16());
      auto value = reader.sized(reader.remaining());
      if (!reader.ok() || key.empty())
        return {ErrorCode::IO_ERROR, "a part of a snapshot came back damaged from " + path};
      found.push_back({{path_of(key), crypto::hash(suite(), value)}, {to_string(key), to_bytes(value)}});
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.leaf.path < b.leaf.path; });
    std::vector<StateLeaf> leaves;
    std::vector<StateRow> rows;
    for (auto& each : found) {
      leaves.push_back(each.leaf);
      rows.push_back(std::move(each.row));
    }
    GALEN_TRY(write_checked_file(path, encode_snapshot_part({source_.view->height(), depth_, index}, rows)));
    return snapshot_node(suite(), leaves, depth_);
  }

  const Source& source_;
  const std::string folder_;
  std::uint8_t depth_ = 0;
};

std::vector<Height> SnapshotFiles::heights() const {
  std::vector<Height> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    const auto name = entry.path().filename().string();
    if (name.size() < 20 && name.find_first_not_of("0123456789") == std::string::npos) out.push_back(std::stoull(name));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<Bytes> SnapshotFiles::manifest(Height height) const {
  return read_checked_file(folder(height) + "/manifest", kManifestBytesMax);
}

Result<Bytes> SnapshotFiles::part(Height height, std::uint32_t index) const {
  return read_checked_file(folder(height) + "/" + part_name(index), kSnapshotPartBytesMax);
}

Status SnapshotFiles::remove(Height height) const {
  std::error_code error;
  fs::remove_all(folder(height), error);
  return to_status(error, "remove " + folder(height));
}

void SnapshotFiles::clear_unfinished() const {
  std::error_code ignored;
  fs::remove_all(path_ + "/" + kUnfinished, ignored);
}

Status SnapshotFiles::make(const Source& source) const {
  clear_unfinished();
  const auto unfinished = path_ + "/" + kUnfinished;
  std::error_code error;
  fs::create_directories(unfinished, error);
  GALEN_TRY(to_status(error, "create " + unfinished));
  auto made = Maker(source, unfinished).run();
  if (made) {
    const auto finished = folder(source.view->height());
    fs::remove_all(finished, error);
    fs::rename(unfinished, finished, error);
    made = to_status(error, "rename " + unfinished);
  }
  if (!made) clear_unfinished();
  return made;
}

}  // namespace galen::ledger
