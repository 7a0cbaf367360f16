import Device

/// What changes for the rules between two plans of the same rules.
public struct PlanDiff: Codable, Equatable, Sendable {
  /// One rule whose place or reason differs.
  public struct Change: Codable, Equatable, Sendable {
    /// The rule's id.
    public var id: UInt32
    /// Its place in the first plan; absent when it is not in it.
    public var from: String?
    /// Why, in the first plan.
    public var fromReason: String?
    /// Its place in the second plan; absent when it is not in it.
    public var to: String?
    /// Why, in the second plan.
    public var toReason: String?
    enum CodingKeys: String, CodingKey {
      case id, from, to
      case fromReason = "from_reason"
      case toReason = "to_reason"
    }
  }

  /// 1.
  public var schemaVersion = 1
  /// The first plan's profile.
  public var from: String
  /// The second plan's profile.
  public var to: String
  /// The rules that differ, by id.
  public var changes: [Change]
  /// Rules that are in the same place for the same reason.
  public var same: Int

  enum CodingKeys: String, CodingKey {
    case from, to, changes, same
    case schemaVersion = "schema_version"
  }

  /// Compares two plans.
  public init(_ a: Plan, _ b: Plan) {
    from = a.profile.name
    to = b.profile.name
    changes = []
    same = 0
    for id in Set(a.positions.keys).union(b.positions.keys).sorted() {
      let x = a[id], y = b[id]
      if x?.place == y?.place, x?.refusal?.reason == y?.refusal?.reason, x?.actionsOnDevice == y?.actionsOnDevice {
        same += 1
        continue
      }
      changes.append(
        Change(
          id: id, from: x?.place.rawValue, fromReason: x?.refusal?.reason.name, to: y?.place.rawValue,
          toReason: y?.refusal?.reason.name))
    }
  }

  /// For a terminal.
  public var table: String {
    var rows = [["RULE", from.uppercased(), "REASON", to.uppercased(), "REASON"]]
    for change in changes {
      rows.append([
        "\(change.id)", change.from ?? "-", change.fromReason ?? "", change.to ?? "-", change.toReason ?? "",
      ])
    }
    return Plan.aligned(rows) + "(\(same) rules the same)\n"
  }
}
