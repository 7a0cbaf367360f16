/// Everything of a frame that a rule may look at, as words: flat, of one size, no references.
///
/// Header bytes are kept raw, in the frame's byte order, and the masks of the rules choose among them; what is not a
/// header byte (presence of layers, in-port, tunnel key) is packed by value. Words that a frame has no layer for hold
/// anything: every rule that looks at such a word also looks at the layer's presence bit in word 0.
@frozen
public struct FlowKey: Sendable, BitwiseCopyable {
  /// Words of a key.
  public static let wordCount = 26
  /// Words from one key of a burst to the next: four cache lines.
  public static let stride = 32

  /// The words; see ``Layout``.
  public var words: InlineArray<26, UInt64>

  /// A key of zeroes.
  @inlinable
  public init() { words = InlineArray(repeating: 0) }

  /// Where things are in a key. A *level* is outer (0) or inner (1); its words are relative to ``level(_:)``.
  public enum Layout {
    /// In-port in bits 0–15, then the presence bits.
    public static let meta = 0
    /// Bytes 0–7 of the level's Ethernet header.
    public static let ethernet0 = 0
    /// Bytes 8–15: the rest of it, and the first tag's TCI.
    public static let ethernet1 = 1
    /// Bytes 0–1 first tag's inner type, 2–5 second tag's TCI and inner type, 6 IPv4 TOS, 7 TCP flags.
    public static let extra = 2
    /// Bytes 4–11 of an IPv4 header, or 0–7 of an IPv6 header.
    public static let network = 3
    /// IPv4 source and destination.
    public static let addresses = 4
    /// The first 8 bytes of the transport header (of GRE 4).
    public static let transport = 5
    /// Tunnel key in bits 0–31, Geneve protocol 32–47, option length in words 48–55.
    public static let tunnel = 7
    /// Data words of Geneve options that have a slot, two a word.
    public static let options = 12
    /// How many 32-bit words of option data there are.
    public static let optionWords = 8

    /// The first word of a level.
    @inlinable @inline(__always)
    public static func level(_ level: Int) -> Int { level == 0 ? 1 : 16 }
    /// The first of the four words of a level's IPv6 addresses: source, destination.
    @inlinable @inline(__always)
    public static func ipv6(_ level: Int) -> Int { level == 0 ? 8 : 22 }
  }

  /// Bits of word 0 that say what a frame has. Those of a level are shifted by ``shift(level:)``.
  public enum Presence {
    /// Starts with Ethernet.
    public static let ethernet: UInt64 = 1
    /// Has a tag.
    public static let tag0: UInt64 = 2
    /// Has a second tag.
    public static let tag1: UInt64 = 4
    /// L3 is IPv4.
    public static let ipv4: UInt64 = 8
    /// L3 is IPv6.
    public static let ipv6: UInt64 = 16
    /// L4 is UDP.
    public static let udp: UInt64 = 1 << 5
    /// L4 is TCP.
    public static let tcp: UInt64 = 1 << 6
    /// L4 is ICMP.
    public static let icmp: UInt64 = 1 << 7
    /// L4 is ICMPv6.
    public static let icmp6: UInt64 = 1 << 8
    /// L4 is ESP.
    public static let esp: UInt64 = 1 << 10
    /// There is an IPv6 fragment header.
    public static let fragmentHeader: UInt64 = 1 << 11
    /// A sound Geneve tunnel.
    public static let geneve: UInt64 = 1 << 40
    /// A sound VXLAN tunnel.
    public static let vxlan: UInt64 = 1 << 41
    /// A sound GRE tunnel.
    public static let gre: UInt64 = 1 << 42
    /// A sound GRE tunnel that is also NVGRE.
    public static let nvgre: UInt64 = 1 << 43
    /// A sound GRE tunnel with a key.
    public static let greKey: UInt64 = 1 << 44
    /// The first of eight bits: the option of slot n is there.
    public static let option0: UInt64 = 1 << 45
    /// All presence bits.
    public static let all: UInt64 = 0x001f_ffff_ffff_0000

    /// How far a level's bits are shifted.
    @inlinable @inline(__always)
    public static func shift(level: Int) -> UInt64 { level == 0 ? 16 : 28 }
  }
}
