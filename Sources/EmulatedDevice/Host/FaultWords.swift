/// Words that are no fault plan, with a sentence.
public struct FaultWordsError: Error, Equatable, Sendable {
  /// What was found and what was expected.
  public let sentence: String
}

extension FaultPlan {
  /// The plan of a comma list of `NAME=N`: table-full=RULES, reset=FRAME, reset-depth=FRAMES, and one in N for
  /// busy-insertion, slow-insertion (a millisecond late), lost-frame, stale-counter, lying-checksum, lying-action.
  public init(words: String) throws(FaultWordsError) {
    self.init()
    for entry in words.split(separator: ",") {
      let parts = entry.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, let number = UInt32(parts[1]) else {
        throw FaultWordsError(sentence: "faults are NAME=N, found '\(entry)'")
      }
      switch parts[0] {
      case "table-full": tableFullAt = number
      case "busy-insertion": busyInsertion = number
      case "slow-insertion":
        slowInsertion = number
        slowness = 1_000_000
      case "lost-frame": lostFrame = number
      case "stale-counter": staleCounter = number
      case "lying-checksum": lyingChecksum = number
      case "lying-action": lyingAction = number
      case "reset": resetAtFrame = UInt64(number)
      case "reset-depth": resetDepth = number
      default: throw FaultWordsError(sentence: "no fault is called '\(parts[0])'")
      }
    }
  }
}
