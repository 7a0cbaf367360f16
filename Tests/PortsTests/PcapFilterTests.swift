import Memory
import Ports
import Testing

@Suite("A capture filter")
struct PcapFilterTests {
  static func frame(proto: UInt8, port: UInt8) -> [UInt8] {
    [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0] + [
      0x45, 0, 0, 28, 0, 1, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, port, 0, 8, 0, 0,
    ]
  }

  @Test("takes what its text asks for and nothing else, down to frames of a byte")
  func matches() throws {
    let region = try Region(bytes: 4096)
    func matches(_ filter: PcapFilter, _ frame: [UInt8]) -> Bool {
      region.bytes.copy(frame, at: 0)
      return filter.matches(region.bytes.slice(0, count: frame.count))
    }
    let filter = try PcapFilter("udp dst port 9 and host 10.0.0.2")
    #expect(matches(filter, Self.frame(proto: 17, port: 9)))
    #expect(!matches(filter, Self.frame(proto: 17, port: 8)))
    #expect(!matches(filter, Self.frame(proto: 6, port: 9)))
    for length in 0..<42 { #expect(!matches(filter, Array(Self.frame(proto: 17, port: 9)[..<min(length, 37)]))) }
    #expect(matches(try PcapFilter(""), Self.frame(proto: 1, port: 0)))
  }

  @Test("that is none is refused with libpcap's sentence")
  func refuses() {
    for text in ["udp dst prt 9", "host 10.0.0.", "and"] {
      #expect(throws: CaptureError.self) { try PcapFilter(text) }
    }
  }
}
