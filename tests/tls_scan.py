"""What a scanner of TLS listeners (sslyze) finds at one: `tls_scan.py PORT HOST`. Fails for whatever is not wanted."""

import sys

from sslyze import (
    ScanCommand, ScanCommandAttemptStatusEnum, Scanner, ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
)
from sslyze.plugins.robot.implementation import RobotScanResultEnum

# By RFC 9325: forward secrecy and authenticated encryption, in version 1.2, too.
GOOD = ("_ECDHE_", "TLS_AES_", "TLS_CHACHA20_")
AUTHENTICATED = ("_GCM_", "_CHACHA20_POLY1305_", "_CCM")
VERSIONS = {
    ScanCommand.SSL_2_0_CIPHER_SUITES: False, ScanCommand.SSL_3_0_CIPHER_SUITES: False,
    ScanCommand.TLS_1_0_CIPHER_SUITES: False, ScanCommand.TLS_1_1_CIPHER_SUITES: False,
    ScanCommand.TLS_1_2_CIPHER_SUITES: True, ScanCommand.TLS_1_3_CIPHER_SUITES: True,
}
HOLES = {
    ScanCommand.HEARTBLEED: lambda found: found.is_vulnerable_to_heartbleed,
    ScanCommand.OPENSSL_CCS_INJECTION: lambda found: found.is_vulnerable_to_ccs_injection,
    ScanCommand.TLS_COMPRESSION: lambda found: found.supports_compression,
    ScanCommand.TLS_1_3_EARLY_DATA: lambda found: found.supports_early_data,
    ScanCommand.SESSION_RENEGOTIATION: lambda found: found.is_vulnerable_to_client_renegotiation_dos,
    ScanCommand.ROBOT: lambda found: found.robot_result
    not in (RobotScanResultEnum.NOT_VULNERABLE_NO_ORACLE,
            RobotScanResultEnum.NOT_VULNERABLE_RSA_NOT_SUPPORTED),
}
# And what has to be there.
WANTED = {
    ScanCommand.TLS_EXTENDED_MASTER_SECRET: lambda found: found.supports_ems_extension,
}


def has(suite, words):
    return any(word in suite for word in words)


def main(port, host):
    where = ServerNetworkLocation(hostname=host, port=int(port), ip_address="127.0.0.1")
    how = ServerNetworkConfiguration(tls_server_name_indication=host)
    commands = {*VERSIONS, *HOLES, *WANTED}
    scanner = Scanner()
    scanner.queue_scans([ServerScanRequest(where, how, scan_commands=commands)])
    [scan] = scanner.get_results()
    assert scan.scan_result, f"no scan: {scan.connectivity_error_trace}"

    def result(command):
        attempt = getattr(scan.scan_result, command.value)
        assert attempt.status is ScanCommandAttemptStatusEnum.COMPLETED, f"{command}: {attempt.error_trace}"
        return attempt.result

    suites = []
    for command, wanted in VERSIONS.items():
        accepted = [one.cipher_suite.name for one in result(command).accepted_cipher_suites]
        assert bool(accepted) == wanted, f"{command.value}: {accepted}"
        suites += accepted
    weak = [one for one in suites if not (has(one, GOOD) and has(one, AUTHENTICATED))]
    assert not weak, f"suites that are weak: {weak}"
    holes = [command.value for command, is_open in HOLES.items() if is_open(result(command))]
    assert not holes, f"holes: {holes}"
    missing = [command.value for command,
               is_there in WANTED.items() if not is_there(result(command))]
    assert not missing, f"missing: {missing}"
    print(f"{len(suites)} suites, of TLS 1.2 and 1.3 alone, all with forward secrecy; none of {len(HOLES)} holes")


main(*sys.argv[1:])
