#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What the program is asked to do.
struct Arguments {
  /// `back-end` or `front-end`.
  var side = ""
  /// `verify`: sends numbered frames and checks those that come back. `echo`: sends back what comes, in place of io mode.
  var mode = "verify"
  /// `bridge`: frames go to and from the descriptor that `--fd` names, a TAP that the caller opened.
  var descriptor: Int32 = -1
  var socket = ""
  var isServer = true
  var isPacked = false
  var seconds = 3.0
  /// Frames to verify; 0: as many as go in the time.
  var frames = 0
  var shortest = 60
  var longest = 1514
  /// Frames under way at most.
  var window = 64
  var core = -1
  /// File in which packed rings' places are kept.
  var kept: String?
  var usage: String {
    """
    usage: ringpeer back-end|front-end --socket PATH [--mode verify|echo|bridge] [--fd N] [--client] [--packed] [--seconds S]
                    [--frames N] [--size SHORTEST LONGEST] [--window N] [--core N] [--kept FILE]
    """
  }

  init(_ words: [String]) {
    var rest = words[...]
    func fail(_ text: String) -> Never {
      print(text)
      exit(64)
    }
    guard let side = rest.popFirst(), side == "back-end" || side == "front-end" else { fail(usage) }
    self.side = side
    isServer = side == "back-end"
    func number(_ text: String?) -> Int {
      guard let text, let value = Int(text) else { fail(usage) }
      return value
    }
    while let word = rest.popFirst() {
      switch word {
      case "--socket": socket = rest.popFirst() ?? ""
      case "--kept": kept = rest.popFirst()
      case "--mode": mode = rest.popFirst() ?? ""
      case "--fd": descriptor = Int32(number(rest.popFirst()))
      case "--client": isServer = false
      case "--server": isServer = true
      case "--packed": isPacked = true
      case "--seconds":
        guard let text = rest.popFirst(), let value = Double(text) else { fail(usage) }
        seconds = value
      case "--frames": frames = number(rest.popFirst())
      case "--size":
        shortest = number(rest.popFirst())
        longest = number(rest.popFirst())
      case "--window": window = number(rest.popFirst())
      case "--core": core = number(rest.popFirst())
      default: fail("unknown option \(word)\n" + usage)
      }
    }
    guard !socket.isEmpty, ["verify", "echo", "bridge"].contains(mode), shortest >= 60, longest >= shortest, window > 0
    else {
      fail(usage)
    }
  }
}
