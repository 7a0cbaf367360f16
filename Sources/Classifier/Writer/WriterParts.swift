/// A rule by its dense index.
struct RuleRecord {
  var id: UInt32
  /// Row plus one; 0 for a rule that matches nothing.
  var row: UInt32
  var subtable: UInt32
  /// Seconds without a hit after which the rule has aged; 0 for never.
  var timeout: UInt32
  /// The watch of the rule's age timer that counts; 0 for none.
  var watch: UInt32 = 0
}

/// A row that is dead to every coming reader.
struct DeadRow {
  var row: UInt32
  var subtable: UInt32
  /// The rule index that goes with it, or `none` when the rule lives on in another row.
  var rule: UInt32
  static let none = UInt32.max
}

/// Things that may be taken apart once no reader is older than `version`.
struct Waiting {
  var version: UInt64
  var rows: [DeadRow]
  var memory: [AnyObject]
}

/// Rules of one shape on their way in: written to their rows, then numbered, then linked.
struct BatchBlock {
  static let size = 32
  var rows = InlineArray<32, UInt32>(repeating: 0)
  /// Their dense indices.
  var rules = InlineArray<32, UInt32>(repeating: 0)
  var hashes = InlineArray<32, UInt64>(repeating: 0)
  var ids = InlineArray<32, UInt32>(repeating: 0)
  var written = 0
  var numbered = 0
  /// Rows from here on are the arena's again when something fails.
  var linked = 0
}
