import Rules
import Testing

@Suite("testpmd's modify_field")
struct ModifyFieldTests {
  @Test(
    "A value for a whole field is the `set_…` action of that field",
    arguments: [
      ("mac_dst src_type value src_value 0x020000000001 width 48", "set_mac_dst mac_addr 02:00:00:00:00:01"),
      ("mac_src src_type value src_value 020000000001 width 48", "set_mac_src mac_addr 02:00:00:00:00:01"),
      ("vlan_id src_type value src_value 0064 width 12", "of_set_vlan_vid vlan_vid 100"),
      ("ipv4_dscp src_type value src_value 2e width 6", "set_ipv4_dscp dscp_value 46"),
      ("ipv4_ttl dst_level 0 src_type value src_value 40 width 8", "set_ttl ttl_value 64"),
      (
        "ipv4_src dst_level 1 dst_offset 0 src_type value src_value c6336401 width 32",
        "set_ipv4_src ipv4_addr 198.51.100.1"
      ),
      ("ipv4_dst src_type value src_offset 0 src_value 0xC6336402 width 32", "set_ipv4_dst ipv4_addr 198.51.100.2"),
      ("ipv6_dscp src_type value src_value 01 width 6", "set_ipv6_dscp dscp_value 1"),
      ("ipv6_hoplimit src_type value src_value ff width 8", "set_ttl ttl_value 255"),
      (
        "ipv6_src src_type value src_value 20010db8000000000000000000000001 width 128",
        "set_ipv6_src ipv6_addr 2001:db8::1"
      ),
      (
        "ipv6_dst src_type value src_value 20010db8000000000000000000000002 width 128",
        "set_ipv6_dst ipv6_addr 2001:db8::2"
      ),
      ("tcp_port_src src_type value src_value 0050 width 16", "set_tp_src port 80"),
      ("tcp_port_dst src_type value src_value 0051 width 16", "set_tp_dst port 81"),
      ("udp_port_src src_type value src_value 17c1 width 16", "set_tp_src port 6081"),
      ("udp_port_dst src_type value src_value ffff width 16", "set_tp_dst port 65535"),
    ])
  func sets(written: String, printed: String) throws {
    let (head, tail) = ("flow create 0 pattern eth / end actions ", " / drop / end")
    let command = try FlowScript.command(head + "modify_field op set dst_type " + written + tail)
    #expect(command.description == head + printed + tail)
    #expect(try FlowScript.command(command.description) == command)
  }

  @Test(
    "What is not that says what would be understood",
    arguments: [
      (
        "op sub dst_type ipv4_ttl src_type value src_value 01 width 8",
        "`op sub` is not supported; `op set` is, and `dec_ttl`"
      ),
      ("op sett dst_type ipv4_ttl", "expected `set`, found `sett`"),
      ("op set dst_type mark src_type value src_value 01 width 32", "`mark` cannot be written here; use `mark id N`"),
      ("op set dst_type ipv4_tll src_type", "expected a field, found `ipv4_tll`"),
      ("op set dst_type ipv4_src dst_level 2 src_type", "a level behind the outermost header is not supported"),
      ("op set dst_type ipv4_src dst_offset 8 src_type", "a field is written as a whole: `dst_offset` is 0"),
      ("op set dst_type ipv4_src src_type ipv4_dst width 32", "`src_type ipv4_dst` is not supported: only a value"),
      ("op set dst_type ipv4_src src_type value src_value c63364 width 32", "the value of `ipv4_src` is 4 bytes"),
      ("op set dst_type ipv4_dscp src_type value src_value 40 width 6", "the value is wider than the 6 bits"),
      ("op set dst_type ipv4_ttl src_type value src_value 4g width 8", "the value of `ipv4_ttl` is 1 byte in"),
      (
        "op set dst_type ipv4_src src_type value src_value c6336401 width 16",
        "`ipv4_src` is written as a whole: `width 32`"
      ),
      ("op set dst_type ipv4_src src_type", "expected what is written, found the end of the line"),
      ("", "expected `op` behind `modify_field`"),
    ])
  func refused(written: String, says: String) {
    do throws(GrammarError) {
      Issue.record("\(try FlowScript.command("flow create 0 pattern eth / end actions modify_field " + written))")
    } catch { #expect(error.message.hasPrefix(says), "\(error)") }
  }
}
