/// Why EAL did not start, or a DPDK port could not be made.
public struct DPDKError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// What was being done to what.
  public let place: String
  /// What is wrong, DPDK's own words included, without a full stop.
  public let sentence: String
  /// The number of the system's error; 0 for none.
  public let number: Int32

  /// An error with its words.
  public init(_ place: String, _ sentence: String, number: Int32 = 0) {
    self.place = place
    self.sentence = sentence
    self.number = number
  }

  /// `place: sentence`.
  public var description: String { place + ": " + sentence }
}
