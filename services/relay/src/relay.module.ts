import { Module } from '@nestjs/common';
import { RelayController } from './relay.controller.js';

@Module({ controllers: [RelayController] })
export class RelayModule {}
