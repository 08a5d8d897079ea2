// The second node. Same chain id, accounts and hardfork as the first one (anvil); limits are main network's.
module.exports = {
  networks: {
    hardhat: {
      chainId: 31337,
      hardfork: "osaka",
      blockGasLimit: 60_000_000,
      allowUnlimitedContractSize: false,
      // a transaction that fails is mined and has a receipt, as on any chain; by default Hardhat answers with an error
      throwOnTransactionFailures: false,
    },
  },
};
