/// Why a change of the rules was refused. Nothing of the transaction it was in has happened.
public enum ClassifierError: Error, Equatable, Sendable, CustomStringConvertible {
  /// There is a rule with this id already.
  case duplicateID(UInt32)
  /// There is no rule with this id.
  case unknownID(UInt32)
  /// The pattern's item `index` (0 is the first) stands where no such header can be (SPECIFICATION.md, M2).
  case itemOutOfOrder(index: Int)
  /// More than 63 options in a pattern: no frame can have them.
  case tooManyOptions(index: Int)
  /// Rules for frames that go out are not looked at.
  case egress
  /// Groups are 0…65535.
  case groupOutOfRange(UInt32)
  /// A rule that matches nothing, or whose options are outside of the key, cannot be the shape of others.
  case notATemplate
  /// The tables were made for `limit` rules, rules that readers may still see included.
  case full(limit: Int)
  /// The system had no `bytes` bytes of memory.
  case noMemory(bytes: Int)
  /// All `limit` places for readers are taken.
  case tooManyReaders(limit: Int)

  /// The sentence a user reads.
  public var description: String {
    switch self {
    case .duplicateID(let id): "rule \(id) exists already"
    case .unknownID(let id): "there is no rule \(id)"
    case .itemOutOfOrder(let index): "pattern item \(index + 1) cannot stand there: items follow the order of headers"
    case .tooManyOptions(let index): "pattern item \(index + 1): a pattern has at most 63 Geneve options"
    case .egress: "rules with egress are not supported"
    case .groupOutOfRange(let group): "group \(group) is not in 0…65535"
    case .notATemplate: "a rule that matches nothing, or with Geneve options outside of the key, is no template"
    case .full(let limit): "the tables were made for \(limit) rules and are full"
    case .noMemory(let bytes): "no memory for tables of \(bytes) bytes"
    case .tooManyReaders(let limit): "all \(limit) places for readers are taken"
    }
  }
}
