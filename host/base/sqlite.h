#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "host/base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bitloop::host {

class SqliteError : public Error {
 public:
  SqliteError(const std::string& what, int code) : Error(what), code_(code) {}
  /// The file is no database, or a broken one.
  [[nodiscard]] bool is_damage() const;

 private:
  int code_;
};

/// A connection to a SQLite file. One thread at a time; must not be carried over a fork. Every call throws
/// SqliteError where SQLite refuses.
class Database {
 public:
  /// Creates the file where it is missing. Waits up to `patience` for locks of others.
  Database(const std::filesystem::path& path, std::chrono::milliseconds patience);

  void execute(const std::string& sql);
  /// The integer that a query of one row and column gives.
  std::int64_t number(const std::string& sql);

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  [[noreturn]] void fail() const;

  std::unique_ptr<sqlite3, Close> handle_;
};

/// A prepared statement; its database must outlive it.
class Statement {
 public:
  Statement(Database& database, const std::string& sql);

  /// Parameter `index` counts from 1; the bytes must stay until `rewind`.
  void bind(int index, std::span<const std::byte> bytes);
  /// True where there is a row.
  bool step();
  /// A column of the row, from 0; valid until the next call.
  [[nodiscard]] std::span<const std::byte> bytes(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;
  /// Ready for other parameters.
  void rewind();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

}  // namespace bitloop::host
