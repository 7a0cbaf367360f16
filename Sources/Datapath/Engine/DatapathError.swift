public import Classifier
public import Memory

/// Why a data path could not be made or a rule not be taken.
public enum DatapathError: Error, Equatable, CustomStringConvertible {
  /// The system has no memory for buffers.
  case memory(ArenaError)
  /// The encapsulation of this number is no header that can be put in front: its length is odd or not 14…400 bytes, or
  /// its offsets do not name an IP header and a UDP or GRE header in it.
  case malformedTemplate(index: UInt16)
  /// A port id stands twice.
  case badPorts
  /// There is no room for the rules' actions.
  case programsFull
  /// The classifier refused a rule.
  case rules(ClassifierError)
  /// Rule ids are 1…2^24−1.
  case badID(UInt32)

  /// The sentence a user reads.
  public var description: String {
    switch self {
    case .memory(let error): error.description
    case .malformedTemplate(let index): "encapsulation \(index) is not a header that can be put in front of a frame"
    case .badPorts: "port ids are not unique"
    case .rules(let error): error.description
    case .badID(let id): "rule id \(id) is not in 1…16777215"
    case .programsFull: "no room is left for the actions of rules"
    }
  }
}

extension SharedTable {
  /// A table, or ``DatapathError/memory(_:)``.
  static func make(count: Int) throws(DatapathError) -> SharedTable<Element> {
    do throws(ArenaError) {
      return try SharedTable(count: count)
    } catch {
      throw .memory(error)
    }
  }
}
